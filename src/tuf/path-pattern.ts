/**
 * Path patterns of delegations: `*` matches any characters of one segment, `?` matches one, and `/` only itself.
 *
 * PA1. A pattern means one thing. Clients read sets, braces and escapes differently, so one that has any is refused.
 * PA2. Matching takes at most pattern × path steps, for any pattern, and each is counted (WB1).
 */
import { createHash } from 'node:crypto';
import { quoted } from '../lib/shown-text.ts';
import { type Spend, STEPS } from './work-budget.ts';

const AMBIGUOUS = /[[\]{}\\]/;
const MAX_PATTERN_LENGTH = 512;

/** The path of a target, taken apart once for all patterns and prefixes that it is compared with. */
export type TargetPath = {
  readonly name: string;
  /** The characters of each segment. */
  readonly segments: () => readonly (readonly string[])[];
  /** Its SHA-256. */
  readonly hash: (spend: Spend) => Buffer;
  readonly hexHash: (spend: Spend) => string;
};

export type PathPattern = (path: TargetPath, spend: Spend) => boolean;

export const targetPath = (name: string): TargetPath => {
  let segments: readonly (readonly string[])[] | undefined;
  let hash: Buffer | undefined;
  let hexHash: string | undefined;
  const hashOnce = (spend: Spend): Buffer => {
    if (hash === undefined) spend(STEPS.nameHash);
    hash ??= createHash('sha256').update(name).digest();
    return hash;
  };
  return {
    name,
    segments() {
      segments ??= splitSegments(name);
      return segments;
    },
    hash: hashOnce,
    hexHash(spend) {
      hexHash ??= hashOnce(spend).toString('hex');
      return hexHash;
    },
  };
};

/** Why a pattern cannot be used, as the end of a sentence; undefined for a good one. */
export const pathPatternProblem = (pattern: string): string | undefined => {
  if (pattern.length > MAX_PATTERN_LENGTH)
    return `must not hold a pattern of more than ${MAX_PATTERN_LENGTH} characters`;
  return AMBIGUOUS.test(pattern)
    ? `must not hold the pattern ${quoted(pattern)}: only * and ? are wildcards that all clients agree on`
    : undefined;
};

/** Characters of two equally long strings that are compared in the time of one step. */
const CHARACTERS_AT_ONCE = 16;

export const compilePathPattern = (pattern: string): PathPattern => {
  if (!/[*?]/.test(pattern)) {
    const wholeSteps = STEPS.comparison + Math.floor(pattern.length / CHARACTERS_AT_ONCE);
    return ({ name }, spend) => {
      spend(name.length === pattern.length ? wholeSteps : STEPS.comparison);
      return name === pattern;
    };
  }
  const segments = splitSegments(pattern);
  return (path, spend) => {
    spend(STEPS.comparison);
    const parts = path.segments();
    if (parts.length !== segments.length) return false;
    return segments.every((segment, index) => matches(segment, parts[index] ?? [], spend));
  };
};

const splitSegments = (text: string): readonly (readonly string[])[] =>
  text.split('/').map(segment => [...segment]);

/** Backtracks to the last `*` only: an earlier one could not match more. */
const matches = (pattern: readonly string[], text: readonly string[], spend: Spend): boolean => {
  let at = 0;
  let textAt = 0;
  let star = -1;
  let starTextAt = 0;
  let steps = 0;
  let canMatch = true;
  while (canMatch && textAt < text.length) {
    steps += 1;
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
    } else canMatch = false;
  }
  spend(steps);
  if (!canMatch) return false;
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
};
