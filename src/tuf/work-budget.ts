/**
 * The work that signed metadata may cause.
 *
 * A signer decides how many patterns are compared with how many paths, how many keys sign a file, and through how many
 * delegations one role is reached. Limits of sizes do not bound these products, so the work itself is counted:
 *
 *     every costly operation ─▶ spend(steps) ─▶ the verification goes on, or ends and names the role
 *
 * WB1. A step is the comparison of two characters. Other work counts as the steps that take about as long. Counts depend on the
 *      metadata only, so a repository is within the limit on every machine or on none.
 * WB2. A verification has one budget, for all trust roots that it tries.
 * WB3. The deadline is for a machine on which the steps take too long. It counts computing only, not waiting for a source.
 */
import { DepotError } from '../lib/errors.ts';

/** Counts work on the role that it was made for. */
export type Spend = (steps: number) => void;

export type WorkBudget = {
  readonly of: (role: string) => Spend;
  /** Runs work on a role under the deadline (WB3). */
  readonly timed: <T>(role: string, work: () => T) => T;
  readonly spentSteps: () => number;
};

/** Some ten seconds of work. Metadata of the largest allowed size takes half of it. */
export const MAX_STEPS = 4_000_000_000;
/** Computing time. */
const MAX_COMPUTING_MS = 5 * 60_000;

/** Steps of work that is not a comparison of characters. */
export const STEPS = {
  /** Of a path with a pattern or a prefix, beside its characters. */
  comparison: 20,
  /** Parsing a byte and writing its canonical form. */
  metadataByte: 20,
  /** An object or an array, which takes a hundred times the memory of its text. */
  container: 200,
  /** Any other value. */
  value: 20,
  /** Importing a public key. */
  key: 15_000,
  /** A byte that a signature covers. */
  signedByte: 1,
  /** The SHA-256 of a target name. */
  nameHash: 500,
} as const;

/** Between two looks at the clock. */
const STEPS_PER_LOOK = 1_000_000;

/** For metadata of our own. */
export const uncounted: Spend = () => undefined;

export type WorkLimits = {
  readonly maxSteps?: number;
  readonly maxComputingMs?: number;
  /** Without a clock there is no deadline. */
  readonly monotonicMs?: () => number;
};

export const createWorkBudget = ({
  maxSteps = MAX_STEPS,
  maxComputingMs = MAX_COMPUTING_MS,
  monotonicMs,
}: WorkLimits = {}): WorkBudget => {
  let spent = 0;
  let nextLook = STEPS_PER_LOOK;
  let computedMs = 0;
  let startedMs: number | undefined;

  const look = (role: string): void => {
    if (monotonicMs === undefined || startedMs === undefined) return;
    const takenMs = computedMs + monotonicMs() - startedMs;
    if (takenMs > maxComputingMs) throw tooLong(role, maxComputingMs);
  };
  const spend = (role: string, steps: number): void => {
    spent += steps;
    if (spent > maxSteps) throw tooMuch(role, maxSteps);
    if (spent < nextLook) return;
    nextLook = spent + STEPS_PER_LOOK;
    look(role);
  };
  return {
    of: role => steps => spend(role, steps),
    timed(role, work) {
      if (monotonicMs === undefined || startedMs !== undefined) return work();
      startedMs = monotonicMs();
      try {
        const result = work();
        look(role);
        return result;
      } finally {
        computedMs += monotonicMs() - startedMs;
        startedMs = undefined;
      }
    },
    spentSteps: () => spent,
  };
};

const tooMuch = (role: string, maxSteps: number): DepotError =>
  new DepotError(
    'VERIFICATION_LIMIT',
    `the metadata takes more than ${maxSteps} steps of work to verify, the limit; it was exceeded in the role ${role}. ` +
      'Use fewer path patterns, fewer keys or fewer delegations; succinct hash bins take the least work',
    { detail: { role, limit_steps: maxSteps } },
  );

const tooLong = (role: string, limitMs: number): DepotError =>
  new DepotError(
    'VERIFICATION_LIMIT',
    `the metadata takes more than ${limitMs / 1000} seconds of computing to verify, the limit; it was exceeded in the role ${role}`,
    { detail: { role, limit_ms: limitMs } },
  );
