/**
 * Bundles for the sleds that lack them.
 *
 *     list: missing ─▶ the bytes, from the database ─▶ PUT, one after the other ─▶ the sled lists again
 *
 * PBU1. Only bundles that the offered config names are sent, and only to a sled that asks for them by its list.
 * PBU2. A bundle that cannot be read or sent costs the releases of that sled only.
 * PBU3. The memory is bounded: one bundle is read at a time, few large ones are sent at a time, and few bytes are kept for the next sled.
 * PBU4. A round waits a bounded time. What it does not wait for is sent all the same, since the largest bundle takes longer than a sled
 *       has for its answers; a sled receives one bundle at a time.
 * PBU5. A sled that does not take a bundle, or asks again for one that it took, is sent it again after a back-off, which grows.
 */
import type { SledId } from '../../core/ids.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import { type Failure, failAgain, isUnreachable } from './failure.ts';

/** A hundred artifacts have 30 KiB. */
const LARGE_BYTES = 1024 * 1024;
/** To all sleds together: sleds that take nothing hold up as many. */
const SENT_AT_ONCE = { small: 32, large: 2 };
const TIMEOUT_MS = { small: 30_000, large: 120_000 };
/** A fleet of a thousand sleds asks for the same few bundles at once. */
const KEPT_BYTES = 64 * 1024 * 1024;
/** Less than the slower half of the sleds has (CO2), so that the sled can list again in the round. */
const ROUND_WAIT_MS = 2_000;
const BACKOFF = { firstMs: 2_000, maxMs: 300_000 };

export type PushBundles = (
  target: SledTarget,
  /** SHA-256 of each. */
  missing: readonly string[],
  options: { readonly log: Logger; readonly signal: AbortSignal },
) => Promise<{ readonly sent: number }>;

export type BundlePusher = AsyncDisposable & {
  readonly push: PushBundles;
  readonly isUnderWay: () => boolean;
};

type Deps = {
  readonly datastore: Pick<ReleasePort, 'bundleGet'>;
  readonly connection: Pick<SledConnection, 'putBundle'>;
  readonly clock: Clock;
  readonly rng: Rng;
};

type Job = { sent: number; done: Promise<void> };

/** Disposing ends what is under way. */
export const createBundlePusher = (deps: Deps): BundlePusher => {
  const stop = new AbortController();
  const send = createSend(deps, stop.signal);
  const attempts = createAttempts(deps);
  const jobs = new Map<SledId, Job>();

  const sendAll = async (job: Job, target: SledTarget, missing: readonly string[], log: Logger) => {
    for (const sha256 of missing) {
      try {
        if (!(await send(target, sha256))) continue;
        job.sent += 1;
        attempts.note(target.id, sha256, undefined);
      } catch (err) {
        if (stop.signal.aborted) return;
        attempts.note(target.id, sha256, err);
        log.warn({ err, sled_id: target.id, bundle: sha256 }, 'a bundle of release metadata was not sent');
        if (isUnreachable(errorCodeOf(err))) return;
      }
    }
  };
  const start = (target: SledTarget, missing: readonly string[], log: Logger): Job => {
    const job: Job = { sent: 0, done: Promise.resolve() };
    jobs.set(target.id, job);
    job.done = sendAll(job, target, missing, log).finally(() => jobs.delete(target.id));
    return job;
  };

  return {
    async push(target, missing, { log, signal }) {
      attempts.retain(target.id, missing);
      const due = missing.filter(sha256 => attempts.isDue(target.id, sha256));
      const job = jobs.get(target.id) ?? (due.length === 0 ? undefined : start(target, due, log));
      if (job === undefined) return { sent: 0 };
      const before = job.sent;
      await waitFor(job.done, deps.clock, signal); // PBU4
      return { sent: job.sent - before };
    },
    isUnderWay: () => jobs.size > 0,
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('SHUTTING_DOWN', 'this Nexus is stopping'));
      await Promise.all(Array.from(jobs.values(), ({ done }) => done));
    },
  };
};

const waitFor = async (done: Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> => {
  const over = new AbortController();
  const sleep = clock.sleep(ROUND_WAIT_MS, { signal: AbortSignal.any([signal, over.signal]) });
  await Promise.race([done, sleep.catch(() => undefined)]);
  over.abort();
};

/** @returns whether it was sent; not if its release was deleted a moment ago */
const createSend = ({ datastore, connection, clock }: Deps, stop: AbortSignal) => {
  const { bytesOf, lengthOf } = createReader(datastore, stop);
  const limiters = { small: createLimiter(SENT_AT_ONCE.small), large: createLimiter(SENT_AT_ONCE.large) };
  return async (target: SledTarget, sha256: string): Promise<boolean> => {
    const size = await lengthOf(sha256);
    if (size === undefined) return false;
    const kind = size > LARGE_BYTES ? 'large' : 'small';
    return await limiters[kind].run(
      async () => {
        // Not held while it waited (PBU3).
        const bytes = await bytesOf(sha256);
        if (bytes === undefined) return false;
        const signal = AbortSignal.any([stop, clock.timeout(TIMEOUT_MS[kind])]);
        await connection.putBundle(target, { sha256, bytes }, { signal });
        return true;
      },
      { signal: stop },
    );
  };
};

/** PBU3: the bytes of a bundle, from the latest ones or the database. */
const createReader = ({ bundleGet }: Deps['datastore'], signal: AbortSignal) => {
  const reading = createLimiter(1);
  const kept = new Map<string, Uint8Array>();
  const lengths = new Map<string, number>();
  const read = async (sha256: string): Promise<Uint8Array | undefined> => {
    const bytes = kept.get(sha256) ?? (await bundleGet(sha256, { signal }));
    if (bytes === undefined) {
      lengths.delete(sha256);
      return undefined;
    }
    keep(kept, sha256, bytes);
    lengths.set(sha256, bytes.length);
    return bytes;
  };
  return {
    bytesOf: (sha256: string) => reading.run(() => read(sha256), { signal }),
    /** Read once: the bytes may have to make room before they are sent. */
    lengthOf: (sha256: string) =>
      reading.run(async () => lengths.get(sha256) ?? (await read(sha256))?.length, { signal }),
  };
};

const keep = (kept: Map<string, Uint8Array>, sha256: string, bytes: Uint8Array): void => {
  kept.delete(sha256);
  kept.set(sha256, bytes);
  let total = kept.values().reduce((sum, each) => sum + each.length, 0);
  for (const [oldest, { length }] of kept) {
    if (total <= KEPT_BYTES) break;
    kept.delete(oldest);
    total -= length;
  }
};

/** PBU5 */
const createAttempts = (deps: Pick<Deps, 'clock' | 'rng'>) => {
  const bySled = new Map<SledId, Map<string, Failure>>();
  return {
    isDue: (id: SledId, sha256: string): boolean =>
      (bySled.get(id)?.get(sha256)?.untilMs ?? 0) <= deps.clock.monotonicMs(),
    note(id: SledId, sha256: string, error: unknown): void {
      const of = bySled.get(id) ?? new Map<string, Failure>();
      bySled.set(id, of.set(sha256, failAgain(deps, of.get(sha256), error, BACKOFF)));
    },
    /** What a sled does not lack any more begins anew. */
    retain(id: SledId, missing: readonly string[]): void {
      const of = bySled.get(id);
      if (of === undefined) return;
      const lacking = new Set(missing);
      for (const sha256 of of.keys()) if (!lacking.has(sha256)) of.delete(sha256);
      if (of.size === 0) bySled.delete(id);
    },
  };
};
