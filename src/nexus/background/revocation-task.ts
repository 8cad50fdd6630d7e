/**
 * Revocation: what the database says of revoked identities is remembered here, and told to every sled in service.
 *
 *     expunged, or joined with another key ─▶ the file of this Nexus ─▶ each sled that was not told all of it
 *
 * RVT1. What this Nexus remembers is told, not only what the database says: a restored database revokes no less.
 * RVT2. A sled that does not answer is told in a later period, and each one again after ten minutes. Nothing waits for it.
 */
import type { SledId } from '../../core/ids.ts';
import { includesRevocations, type Revocation } from '../../core/revocation.ts';
import type { Revocations } from '../../identity/revocations.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { RevocationPort } from '../datastore/ports/revocation-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import type { BackgroundTask } from './task.ts';

export const REVOCATION_TASK = 'identity_revocation';
const PERIOD_MS = 60_000;
/** A sled may have lost its file, and a new machine may be the same sled. */
const TOLD_AGAIN_MS = 10 * PERIOD_MS;
const ANSWER_TIMEOUT_MS = 5_000;
const CONCURRENCY = 64;

type Deps = {
  readonly datastore: RevocationPort & Pick<SledPort, 'sledList'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'revoke'>;
  readonly revocations: Pick<Revocations, 'list' | 'add'>;
  readonly clock: Clock;
};

export const revocationTask = (deps: Deps): BackgroundTask => {
  const told = new Map<SledId, { readonly list: readonly Revocation[]; readonly atMs: number }>();
  const isToldLately = (id: SledId, list: readonly Revocation[]): boolean => {
    const last = told.get(id);
    const isLate = last !== undefined && deps.clock.monotonicMs() - last.atMs >= TOLD_AGAIN_MS;
    return !isLate && includesRevocations(last?.list ?? [], list);
  };
  return {
    name: REVOCATION_TASK,
    description: 'tell the sleds which identities are revoked',
    periodMs: PERIOD_MS,
    async activate({ log, signal }) {
      await learnRevocations(deps, { log, signal });
      const list = deps.revocations.list();
      const sleds = await inServiceTargets(deps, signal);
      const present = new Set(sleds.map(({ id }) => id));
      for (const id of told.keys()) if (!present.has(id)) told.delete(id);
      const untold = list.length === 0 ? [] : sleds.filter(({ id }) => !isToldLately(id, list));
      const limiter = createLimiter(CONCURRENCY);
      const waiting = await Promise.all(
        untold.map(sled =>
          limiter.run(
            async () => {
              if (!(await tell(deps, sled, list, { log, signal }))) return sled.id;
              told.set(sled.id, { list, atMs: deps.clock.monotonicMs() });
              return [];
            },
            { signal },
          ),
        ),
      );
      return { summary: { revoked: list.length, waiting: waiting.flat() } };
    },
  };
};

type Options = { readonly log: Logger; readonly signal: AbortSignal };

/** Remembers what the database says. @throws DepotError of the database alone */
export const learnRevocations = async (
  { datastore, revocations }: { datastore: RevocationPort; revocations: Pick<Revocations, 'add'> },
  { log, signal }: Options,
): Promise<void> => {
  const list = await datastore.revocationList({ signal });
  try {
    await revocations.add(list);
  } catch (err) {
    log.error({ err }, 'not every revoked identity is in the file of this Nexus as the database has it');
  }
};

/** @returns false for one that has to be told again (RVT2) */
const tell = async (
  { connection, clock }: Pick<Deps, 'connection' | 'clock'>,
  sled: SledTarget,
  list: readonly Revocation[],
  { log, signal }: Options,
): Promise<boolean> => {
  try {
    await connection.revoke(sled, list, {
      signal: AbortSignal.any([signal, clock.timeout(ANSWER_TIMEOUT_MS)]),
    });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const code = errorCodeOf(error);
    const isSilent = code === 'PEER_UNREACHABLE' || code === 'PEER_STALLED' || code === 'INTERNAL';
    if (!isSilent) log.warn({ sled_id: sled.id, err: error }, 'a sled does not take the revoked identities');
    return false;
  }
};
