/**
 * Makes a failing run smaller: leaves out as many of its parts as it can while it still fails the same way (ddmin, by
 * A. Zeller and R. Hildebrandt).
 *
 *     all ─▶ none at all? ─▶ without the first half, the second half, … quarters … ─▶ without any single one
 *
 * MI1. The result fails, if the whole did; if the search was not ended early, no single part can be left out of the result.
 * MI2. `isOver` ends the search after any attempt: the result is then the smallest set that failed.
 */

export type MinimiseOptions<T> = {
  readonly parts: readonly T[];
  /** Whether these parts alone still fail. */
  readonly fails: (parts: readonly T[]) => Promise<boolean>;
  readonly isOver?: () => boolean;
  /** Called with each smaller set. */
  readonly onSmaller?: (parts: readonly T[]) => void;
};

export const minimise = async <T>(options: MinimiseOptions<T>): Promise<readonly T[]> => {
  const { fails, isOver = () => false, onSmaller } = options;
  let parts = options.parts;
  let pieces = 2;
  const accepts = async (fewer: readonly T[]): Promise<boolean> => {
    if (!(await fails(fewer))) return false;
    parts = fewer;
    onSmaller?.(fewer);
    return true;
  };
  if (parts.length === 0 || isOver() || (await accepts([]))) return parts;
  while (parts.length > 1 && !isOver()) {
    const size = Math.ceil(parts.length / pieces);
    let isSmaller = false;
    for (let start = 0; start < parts.length && !isOver(); ) {
      const fewer = parts.toSpliced(start, size);
      // The empty set was tried already.
      if (fewer.length > 0 && (await accepts(fewer))) isSmaller = true;
      else start += size;
    }
    if (size === 1 && !isSmaller) break;
    pieces = isSmaller ? Math.max(2, pieces - 1) : Math.min(parts.length, pieces * 2);
  }
  return parts;
};
