/**
 * A mutation: one plausible mistake in the product, which the simulator has to notice. If the state in which it shows is too
 * rare for a search, tests that make that state have to notice it.
 *
 * MU1. It changes the text of source files while they are loaded: the files themselves stay unchanged.
 * MU2. A seed whose draws cannot show the mistake counts as run, and is skipped.
 * MU3. An edit names a definition at the top level of a file, and the sources have one of that name; its text occurs there
 *      exactly once. So a file can move without its mutations; if the code itself changes, the mutation has to as well.
 */
import type { StepKind } from '../../../sim/script/step.ts';
import type { Swarm } from '../../../sim/script/swarm.ts';
import type { Guarantee } from '../../../sim/violation.ts';

export type Edit = {
  /** The name of a function, a constant or a class. */
  readonly in: string;
  readonly find: string;
  readonly replace: string;
};

export type Mutation = Edit & {
  /** In kebab case. */
  readonly name: string;
  /** Further edits, which remove another guard that would hide the mistake. */
  readonly also?: readonly Edit[];
  /** The rules that it breaks, and the consequence. */
  readonly why: string;
} & (SeenBySeeds | SeenByTests);

export type SeenBySeeds = {
  /** The guarantees that it may break; a violation of another one does not count. */
  readonly breaks: readonly Guarantee[];
  /** MU2; any run if absent. */
  readonly needs?: (swarm: Swarm) => boolean;
  /** How many seeds it may take, from any first one. */
  readonly withinSeeds: number;
};

/** The base name of a test file in which at least one test fails with it, or a part of the title of such a test. */
export type SeenByTests = { readonly tests: string };

export const isSeenByTests = (mutation: Mutation): mutation is Mutation & SeenByTests => 'tests' in mutation;

export const isSeenBySeeds = (mutation: Mutation): mutation is Mutation & SeenBySeeds =>
  'withinSeeds' in mutation;

/** Runs with one of these. */
export const someOf =
  (...kinds: readonly StepKind[]): NonNullable<SeenBySeeds['needs']> =>
  ({ everyMs }) =>
    kinds.some(kind => everyMs.has(kind));

/** Runs with each of these. */
export const allOf =
  (...kinds: readonly StepKind[]): NonNullable<SeenBySeeds['needs']> =>
  ({ everyMs }) =>
    kinds.every(kind => everyMs.has(kind));

export const editsOf = (mutation: Mutation): readonly Edit[] => [mutation, ...(mutation.also ?? [])];
