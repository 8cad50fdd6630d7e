/**
 * Revocation: what the database says of revoked identities is remembered here, and told to every sled in service.
 *
 *     expunged, or joined with another key ─▶ the file of this Nexus ─▶ each sled that was not told all of it
 *
 * RVT1. What this Nexus remembers is told, not only what the database says: a restored database revokes no less.
 * RVT2. A sled that does not answer is told in a later period, and each one again after ten minutes. Nothing waits for it.
 */
import { includesRevocations, type Revocation } from '../../core/revocation.ts';
import type { Revocations } from '../../identity/revocations.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import type { RevocationPort } from '../datastore/ports/revocation-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import type { BackgroundTask } from './task.ts';
import { createToldSleds, tellSleds } from './tell-sleds.ts';

export const REVOCATION_TASK = 'identity_revocation';
const PERIOD_MS = 60_000;
/** A sled may have lost its file, and a new machine may be the same sled. */
const TOLD_AGAIN_MS = 10 * PERIOD_MS;

type Deps = {
  readonly datastore: RevocationPort & Pick<SledPort, 'sledList'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'revoke'>;
  readonly revocations: Pick<Revocations, 'list' | 'add'>;
  readonly clock: Clock;
};

export const revocationTask = (deps: Deps): BackgroundTask => {
  const told = createToldSleds<readonly Revocation[]>(deps.clock, TOLD_AGAIN_MS);
  return {
    name: REVOCATION_TASK,
    description: 'tell the sleds which identities are revoked',
    periodMs: PERIOD_MS,
    async activate({ log, signal }) {
      await learnRevocations(deps, { log, signal });
      const list = deps.revocations.list();
      const sleds = await inServiceTargets(deps, signal);
      const untold = told.untold(sleds, last => includesRevocations(last, list));
      const waiting = await tellSleds(
        {
          each: list.length === 0 ? [] : untold,
          sledOf: sled => sled,
          tell: (sled, wait) => deps.connection.revoke(sled, list, wait),
          onTold: id => told.note(id, list),
          refusal: 'a sled does not take the revoked identities',
          level: 'warn',
          clock: deps.clock,
        },
        { log, signal },
      );
      return { summary: { revoked: list.length, waiting } };
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
