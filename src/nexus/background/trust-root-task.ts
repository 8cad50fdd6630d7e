/**
 * Chains of trust roots, told to every sled in service: a sled verifies each root by the one before, and then releases by itself.
 *
 *     database ─▶ the whole chain of each trust root ─▶ each sled that was not told all of it
 *
 * TRT1. Whole chains are told, so that a sled that missed a root, or lost its file, follows all the same.
 * TRT2. A sled that does not answer is told in a later period, and each one again after ten minutes. A sled that refuses a chain costs
 *       nobody else anything; its own list says what it has pinned.
 */
import { createHash } from 'node:crypto';
import { MAX_ROOT_CHAINS } from '../../core/release-trust.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf } from '../../lib/errors.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { TrustRootPort } from '../datastore/ports/trust-root-port.ts';
import { allTrustRoots, trustRootChains } from '../releases/upload/check-archive.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import { STATEMENT_TASK } from './statement-task.ts';
import type { BackgroundTask } from './task.ts';
import { createToldSleds, tellSleds } from './tell-sleds.ts';

export const TRUST_ROOT_TASK = 'trust_roots';
const PERIOD_MS = 60_000;
const TOLD_AGAIN_MS = 10 * PERIOD_MS;

type Deps = {
  readonly datastore: Pick<TrustRootPort, 'trustRootList' | 'trustRootChain'> & Pick<SledPort, 'sledList'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'tellRoots'>;
  readonly clock: Clock;
};

type Chains = readonly (readonly Uint8Array[])[];

export const trustRootTask = (deps: Deps): BackgroundTask => {
  const { connection, clock } = deps;
  const told = createToldSleds<string>(clock, TOLD_AGAIN_MS);
  return {
    name: TRUST_ROOT_TASK,
    description: 'tell the sleds the chains of the trust roots',
    periodMs: PERIOD_MS,
    dependsOn: [STATEMENT_TASK],
    async activate({ log, signal }) {
      const chains = await readChains(deps, signal);
      if (chains.length > MAX_ROOT_CHAINS)
        log.warn({ chains: chains.length, told: MAX_ROOT_CHAINS }, 'more trust roots than sleds keep');
      const some = chains.slice(0, MAX_ROOT_CHAINS);
      const digest = digestOf(some);
      const sleds = await inServiceTargets(deps, signal);
      const waiting = await tellSleds(
        {
          each: some.length === 0 ? [] : told.untold(sleds, last => last === digest),
          sledOf: sled => sled,
          tell: (sled, wait) =>
            connection.tellRoots(sled, some, wait).catch((error: unknown) => {
              // Of another version, or of another kind: it judges no release by itself.
              if (errorCodeOf(error) !== 'NOT_FOUND') throw error;
            }),
          onTold: id => told.note(id, digest),
          refusal: 'a sled does not take the trust roots',
          level: 'warn',
          clock,
        },
        { log, signal },
      );
      return { summary: { trust_roots: chains.length, waiting } };
    },
  };
};

const readChains = async ({ datastore }: Pick<Deps, 'datastore'>, signal: AbortSignal): Promise<Chains> => {
  const roots = await allTrustRoots(datastore, signal);
  return (await trustRootChains(datastore, roots, signal)).map(({ chain }) => chain);
};

const digestOf = (chains: Chains): string => {
  const hash = createHash('sha256');
  for (const bytes of chains.flat()) hash.update(`${bytes.length} `).update(bytes);
  return hash.digest('hex');
};

type MovesRoots = Pick<TrustRootPort, 'trustRootInsert' | 'trustRootAdvance'> &
  Pick<ReleasePort, 'releaseInsert'>;

/** The same datastore, which says after each change that trust roots were added or moved. */
export const announcingRoots = <D extends MovesRoots>(datastore: D, onRoots: () => void): D => ({
  ...datastore,
  async trustRootInsert(...call: Parameters<MovesRoots['trustRootInsert']>) {
    const record = await datastore.trustRootInsert(...call);
    onRoots();
    return record;
  },
  async trustRootAdvance(...call: Parameters<MovesRoots['trustRootAdvance']>) {
    const record = await datastore.trustRootAdvance(...call);
    if (call[1].roots.length > 0) onRoots();
    return record;
  },
  async releaseInsert(...call: Parameters<MovesRoots['releaseInsert']>) {
    const outcome = await datastore.releaseInsert(...call);
    if (call[0].roots.length > 0) onRoots();
    return outcome;
  },
});
