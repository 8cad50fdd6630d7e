/**
 * A mutation: one mistake that somebody could make in the product, which the simulator has to notice.
 *
 * MU1. It is a change of the text of source files, made while they are loaded: the product knows nothing of it.
 * MU2. Each text occurs exactly once in its file. Otherwise the product has moved on, and the mutation has to as well.
 */
import type { Guarantee } from '../../../src/sim/checkers/violation.ts';

export type Edit = {
  /** Below `src`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
};

export type Mutation = Edit & {
  /** In words with hyphens. */
  readonly name: string;
  /** What it may break; a violation of anything else does not count. */
  readonly breaks: readonly Guarantee[];
  /** For a mistake that another guard would hide: that guard goes too. */
  readonly also?: readonly Edit[];
  /** How many seeds it may take, from any first one. */
  readonly withinSeeds: number;
  /** The rules that it takes away, and what goes wrong without. */
  readonly why: string;
};

export const editsOf = (mutation: Mutation): readonly Edit[] => [mutation, ...(mutation.also ?? [])];

/** @throws when the text is not there exactly once */
export const applyEdit = ({ file, find, replace }: Edit, source: string): string => {
  const pieces = source.split(find);
  if (pieces.length === 2) return pieces.join(replace);
  throw new Error(`src/${file} has ${pieces.length - 1} times what a mutation replaces: ${find}`);
};
