/**
 * A mutation: one mistake that somebody could make in the product, which the simulator has to notice. Where its moment
 * is too rare to wait for, tests that make that moment have to.
 *
 * MU1. It is a change of the text of source files, made while they are loaded: the product knows nothing of it.
 * MU2. A run that cannot show it, by what its seed drew, counts as run and is passed over.
 * MU3. An edit names a definition at the top level of a file, and the sources have one of that name; its text occurs there
 *      exactly once. So a file can move without its mutations; if the code itself changes, the mutation has to as well.
 */
import type { Fault, OperatorAct } from '../../../sim/script/step.ts';
import type { Swarm } from '../../../sim/script/swarm.ts';
import type { Guarantee } from '../../../sim/violation.ts';

export type Edit = {
  /** A function, a constant or a class, wherever its file is. */
  readonly in: string;
  readonly find: string;
  readonly replace: string;
};

export type Mutation = Edit & {
  /** In words with hyphens. */
  readonly name: string;
  /** For a mistake that another guard would hide: that guard goes too. */
  readonly also?: readonly Edit[];
  /** The rules that it takes away, and what goes wrong without. */
  readonly why: string;
} & (SeenBySeeds | SeenByTests);

export type SeenBySeeds = {
  /** What it may break; a violation of anything else does not count. */
  readonly breaks: readonly Guarantee[];
  /** MU2; every run where absent. */
  readonly needs?: (swarm: Swarm) => boolean;
  /** How many seeds it may take, from any first one. */
  readonly withinSeeds: number;
};

/** The base name of a file of tests of which at least one fails with it, or a part of the title of a test that does. */
export type SeenByTests = { readonly tests: string };

export const isSeenByTests = (mutation: Mutation): mutation is Mutation & SeenByTests => 'tests' in mutation;

export const isSeenBySeeds = (mutation: Mutation): mutation is Mutation & SeenBySeeds =>
  'withinSeeds' in mutation;

/** Runs with one of these. */
export const someOf =
  (...kinds: readonly (Fault | OperatorAct)[]): NonNullable<SeenBySeeds['needs']> =>
  ({ everyMs }) =>
    kinds.some(kind => everyMs.has(kind));

/** … with each of these. */
export const allOf =
  (...kinds: readonly (Fault | OperatorAct)[]): NonNullable<SeenBySeeds['needs']> =>
  ({ everyMs }) =>
    kinds.every(kind => everyMs.has(kind));

export const editsOf = (mutation: Mutation): readonly Edit[] => [mutation, ...(mutation.also ?? [])];
