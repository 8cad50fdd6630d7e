/**
 * Liveness: probes every in-service sled, and activates replication when the result has changed.
 *
 * SL1. Liveness is observed and never changes policy (S23): an unreachable sled still counts.
 * SL2. Any answer is a sign of life, also an error: the probe asks whether the sled is alive, not what it holds. An answer of
 *      another process than the sled is none.
 * SL3. A sled that falls silent activates replication too: the status names it then, not a period later.
 */
import type { SledId } from '../../core/ids.ts';
import { canonicalHost } from '../../http/request-guard.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import type { BackgroundTask } from './task.ts';

export const LIVENESS_TASK = 'sled_liveness';
const PERIOD_MS = 15_000;
const ANSWER_TIMEOUT_MS = 5_000;
const CONCURRENCY = 64;

export type Liveness = { readonly alive: boolean; readonly sinceMs: number };

export type SledLiveness = {
  readonly task: BackgroundTask;
  /** Undefined until the sled was probed. */
  readonly of: (id: SledId) => Liveness | undefined;
  /** The hosts at which a sled answered the last time: a registration alone makes no address known. */
  readonly answeringHosts: () => ReadonlySet<string>;
};

type Deps = {
  readonly datastore: Pick<SledPort, 'sledList'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'list' | 'listUnless'>;
  /** Of a list that a sled need not send again: the probe is then a few hundred bytes. */
  readonly tagOf: (id: SledId) => string | undefined;
  readonly clock: Clock;
  /** Ends the back-off of a sled that has returned. */
  readonly onReturn: (id: SledId) => void;
};

export const createSledLiveness = (deps: Deps): SledLiveness => {
  const known = new Map<SledId, Liveness>();
  let answeringHosts: ReadonlySet<string> = new Set();
  return {
    of: id => known.get(id),
    answeringHosts: () => answeringHosts,
    task: {
      name: LIVENESS_TASK,
      description: 'observe which sleds answer',
      periodMs: PERIOD_MS,
      async activate({ log, signal }) {
        const sleds = await inServiceTargets(deps, signal);
        const limiter = createLimiter(CONCURRENCY);
        const answers = await Promise.all(
          sleds.map(sled =>
            limiter.run(async () => ({ sled, alive: await isThere(deps, sled, signal) }), { signal }),
          ),
        );
        const returned: SledId[] = [];
        let changed = false;
        for (const { sled, alive } of answers) {
          const before = known.get(sled.id);
          if (before?.alive === alive) continue;
          known.set(sled.id, { alive, sinceMs: deps.clock.nowMs() });
          if (before === undefined) continue;
          log.info({ sled_id: sled.id, alive }, alive ? 'sled has returned' : 'sled has fallen silent');
          changed = true;
          if (alive) returned.push(sled.id);
        }
        const present = new Set(sleds.map(sled => sled.id));
        for (const id of known.keys()) if (!present.has(id)) known.delete(id);
        answeringHosts = new Set(
          answers.filter(({ alive }) => alive).map(({ sled }) => canonicalHost(sled.agent.host)),
        );
        returned.forEach(deps.onReturn);
        const silent = answers.filter(answer => !answer.alive).map(answer => answer.sled.id);
        return { summary: { alive: answers.length - silent.length, silent }, changed };
      },
    },
  };
};

/** `INTERNAL`: a wait that this side ended has no code of a peer. */
const NO_SIGNS: ReadonlySet<string> = new Set([
  'PEER_UNREACHABLE',
  'PEER_STALLED',
  'PEER_IDENTITY',
  'INTERNAL',
]);

const isThere = async (deps: Deps, sled: SledTarget, signal: AbortSignal): Promise<boolean> => {
  const wait = { signal: AbortSignal.any([signal, deps.clock.timeout(ANSWER_TIMEOUT_MS)]) };
  const tag = deps.tagOf(sled.id);
  try {
    if (tag === undefined) await deps.connection.list(sled, wait);
    else await deps.connection.listUnless(sled, tag, wait);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    return !NO_SIGNS.has(errorCodeOf(error));
  }
};
