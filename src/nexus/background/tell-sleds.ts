/**
 * What every sled in service is told: revoked identities, heads of the audit log, statements of admin keys, chains of trust roots.
 *
 *     content ─▶ sleds that were not told it, or long ago ─▶ each of them, for a bounded time ─▶ told, or waiting
 *
 * TSL1. A sled that does not answer, or refuses, is told in a later activation. Nothing waits for it.
 * TSL2. Each is told again after a while: it may have lost its file, and another machine may be the same sled.
 * TSL3. What a sled that left the service was told is forgotten.
 */
import type { SledId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledTarget } from '../../sled-client/sled-connection.ts';
import { isUnreachable } from '../sleds/failure.ts';

const ANSWER_TIMEOUT_MS = 5_000;
const CONCURRENCY = 64;

type Wait = { readonly log: Logger; readonly signal: AbortSignal };

export type ToldSleds<T> = {
  /** Those that have to be told. @param isKnown whether what a sled was told last says all that there is to say */
  readonly untold: (sleds: readonly SledTarget[], isKnown: (last: T) => boolean) => readonly SledTarget[];
  readonly note: (id: SledId, told: T) => void;
  readonly all: () => Iterable<readonly [SledId, T]>;
};

/** @param againMs when a sled is told again although nothing changed; by default it is not (TSL2) */
export const createToldSleds = <T>(
  clock: Pick<Clock, 'monotonicMs'>,
  againMs = Number.POSITIVE_INFINITY,
): ToldSleds<T> => {
  const told = new Map<SledId, { readonly last: T; readonly atMs: number }>();
  return {
    untold(sleds, isKnown) {
      const present = new Set(sleds.map(({ id }) => id));
      for (const id of told.keys()) if (!present.has(id)) told.delete(id); // TSL3
      return sleds.filter(({ id }) => {
        const before = told.get(id);
        return before === undefined || clock.monotonicMs() - before.atMs >= againMs || !isKnown(before.last);
      });
    },
    note: (id, last) => void told.set(id, { last, atMs: clock.monotonicMs() }),
    all: () => [...told].map(([id, { last }]) => [id, last] as const),
  };
};

type Telling<S, T> = {
  /** Each with the sled that is told. */
  readonly each: readonly S[];
  readonly sledOf: (each: S) => SledTarget;
  readonly tell: (each: S, wait: { readonly signal: AbortSignal }) => Promise<T>;
  readonly onTold: (id: SledId, answer: T) => void;
  /** Of a log line about a sled that answers and refuses. */
  readonly refusal: string;
  /** `info` where the summary of the task names such a sled. */
  readonly level: 'info' | 'warn';
  readonly clock: Clock;
};

/** @returns the sleds that have to be told again (TSL1) */
export const tellSleds = async <S, T>(
  { each: all, sledOf, tell, onTold, refusal, level, clock }: Telling<S, T>,
  { log, signal }: Wait,
): Promise<readonly SledId[]> => {
  const limiter = createLimiter(CONCURRENCY);
  const one = async (each: S): Promise<readonly SledId[]> => {
    const { id } = sledOf(each);
    try {
      onTold(id, await tell(each, { signal: AbortSignal.any([signal, clock.timeout(ANSWER_TIMEOUT_MS)]) }));
      return [];
    } catch (error) {
      signal.throwIfAborted();
      if (!isSilent(error)) log[level]({ sled_id: id, err: error }, refusal);
      return [id];
    }
  };
  return (await Promise.all(all.map(each => limiter.run(() => one(each), { signal })))).flat();
};

/** Other tasks report a sled that does not answer. */
const isSilent = (error: unknown): boolean => {
  const code = errorCodeOf(error);
  return isUnreachable(code) || code === 'INTERNAL';
};
