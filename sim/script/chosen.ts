/** Chosen by a number of the step, so that the choice does not depend on what was drawn before. */
export const chosen = <T>(items: readonly T[], choice: number): T | undefined =>
  items.length === 0 ? undefined : items[choice % items.length];
