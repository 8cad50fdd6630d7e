/**
 * Path patterns of delegations: `*` matches any characters of one segment, `?` matches one, and `/` only itself.
 *
 * PA1. A pattern means one thing. Clients read sets, braces and escapes differently, so one that has any is refused.
 * PA2. Matching takes at most pattern × path steps, for any pattern.
 */
const AMBIGUOUS = /[[\]{}\\]/;
const MAX_PATTERN_LENGTH = 512;

export type PathPattern = (path: string) => boolean;

/** Why a pattern cannot be used, as the end of a sentence; undefined for a good one. */
export const pathPatternProblem = (pattern: string): string | undefined => {
  if (pattern.length > MAX_PATTERN_LENGTH)
    return `must not hold a pattern of more than ${MAX_PATTERN_LENGTH} characters`;
  return AMBIGUOUS.test(pattern)
    ? `must not hold the pattern ${JSON.stringify(pattern)}: only * and ? are wildcards that all clients agree on`
    : undefined;
};

export const compilePathPattern = (pattern: string): PathPattern => {
  if (!/[*?]/.test(pattern)) return path => path === pattern;
  const segments = pattern.split('/').map(segment => [...segment]);
  return path => {
    const parts = path.split('/');
    return (
      parts.length === segments.length &&
      segments.every((segment, index) => matches(segment, [...(parts[index] as string)]))
    );
  };
};

/** Backtracks to the last `*` only: an earlier one could not match more. */
const matches = (pattern: readonly string[], text: readonly string[]): boolean => {
  let at = 0;
  let textAt = 0;
  let star = -1;
  let starTextAt = 0;
  while (textAt < text.length) {
    if (pattern[at] === '*') {
      star = at;
      starTextAt = textAt;
      at += 1;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[textAt])) {
      at += 1;
      textAt += 1;
    } else if (star >= 0) {
      starTextAt += 1;
      at = star + 1;
      textAt = starTextAt;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
};
