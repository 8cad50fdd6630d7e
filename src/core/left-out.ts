/** Signed targets of a repository that are no artifacts of its release, and why. */
import { z } from 'zod';

/** A release is recorded with so many of them by name. */
export const MAX_LEFT_OUT = 1_000;

export const LeftOutTarget = z.discriminatedUnion('kind', [
  /** Nothing that is understood here proves its bytes. */
  z.object({
    kind: z.literal('unknown_hashes'),
    targetName: z.string(),
    algorithms: z.array(z.string()).readonly(),
  }),
  /** No client finds it: the paths that are delegated to its role do not cover it. */
  z.object({ kind: z.literal('outside_paths'), targetName: z.string(), role: z.string() }),
]);
export type LeftOutTarget = Readonly<z.infer<typeof LeftOutTarget>>;

export const leftOutText = (target: LeftOutTarget): string => {
  switch (target.kind) {
    case 'unknown_hashes':
      return `${target.targetName} has only hashes of unknown kinds (${target.algorithms.join(', ')})`;
    case 'outside_paths':
      return `${target.targetName} is outside of the paths that are delegated to its role ${target.role}`;
    default:
      return target satisfies never;
  }
};
