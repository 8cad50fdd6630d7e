/** The choice follows from a number of the step alone, not from earlier draws. */
export const chosen = <T>(items: readonly T[], choice: number): T | undefined =>
  items.length === 0 ? undefined : items[choice % items.length];
