/**
 * What the sleds themselves say of a root that a person trusts: each requires signatures, has pinned the admin key, and has the root.
 *
 *     statement and root ─▶ Nexus ─▶ each sled ─▶ its report, when Nexus asks ─▶ Nexus ─▶ here
 *
 * DTR1. A sled of the demo begins with an admin key and no root, so it has a root only by a statement that this key has signed.
 */
import type { SledView } from '../../api/operator-fleet-api.ts';
import { plural } from '../../core/facts/phrase.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Depot } from '../connection/depot-client.ts';

const TRUSTED_TIMEOUT_MS = 2 * 60_000;
const POLL_MS = 500;
/** Asks each sled for its report, also where there is nothing to replicate. */
const ASKING_TASK = 'tuf_artifact_replication';

type Pinned = { readonly rootSha256: string; readonly adminKey: string };

/** @returns the sleds, which are all. @throws `DEMO_FAILED` naming those that do not report it in time */
export const waitUntilTrusted = async (
  { clock, signal }: { readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>; readonly signal: AbortSignal },
  depot: Pick<Depot, 'allSleds'> & { readonly debug: Pick<Depot['debug'], 'bgtaskActivate'> },
  { sleds, ...pinned }: Pinned & { readonly sleds: number },
): Promise<number> => {
  const deadlineMs = clock.monotonicMs() + TRUSTED_TIMEOUT_MS;
  for (;;) {
    await depot.debug.bgtaskActivate({ body: { bgtask_names: [ASKING_TASK] } });
    await clock.sleep(POLL_MS, { signal });
    const all = await depot.allSleds();
    const others = all.filter(sled => !trusts(sled, pinned));
    if (all.length === sleds && others.length === 0) return all.length;
    if (clock.monotonicMs() >= deadlineMs)
      throw new DepotError(
        'DEMO_FAILED',
        `not every sled reports that it requires signatures and trusts the root ${pinned.rootSha256}: ${others.map(({ serial }) => serial).join(', ') || `${all.length} of ${sleds} are known`}`,
      );
  }
};

const trusts = (
  { require_signed: isRequired, trust }: Pick<SledView, 'require_signed' | 'trust'>,
  { rootSha256, adminKey }: Pinned,
): boolean =>
  isRequired === true &&
  trust !== undefined &&
  trust.admin_keys.includes(adminKey) &&
  trust.chains.some(({ newest_sha256: newest }) => newest === rootSha256);

export const trustedText = (sleds: number): string =>
  `${plural(sleds, 'sled')} require${sleds === 1 ? 's' : ''} signatures, and trust${sleds === 1 ? 's' : ''} it by a statement of the admin key`;
