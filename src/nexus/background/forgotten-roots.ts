/**
 * Roots that the database forgot when it was restored, taken from the sleds, which have pinned them.
 *
 *     newest root of each trust root ─▶ every sled: which chains? ─▶ a chain with that root and newer ones ─▶ verified ─▶ recorded
 *
 * FGR1. A chain proves itself: each root is signed by the one before it, from the newest one that the database has. So a sled that lies
 *       can withhold roots, and can invent none.
 * FGR2. No trust root is added, and none comes back that an operator deleted: only chains of the database grow.
 * FGR3. Of each answer only the longest chain so far is kept, so that sleds that lie fill no memory.
 */
import type { AuditOrigin } from '../../core/facts/audit.ts';
import type { SledId, TrustRootId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import { type Metadata, parseMetadata } from '../../tuf/metadata.ts';
import { dropsOnlineKeys } from '../../tuf/rollback.ts';
import { rootDigest, rootDigestOf } from '../../tuf/root-digest.ts';
import type { SignaturePolicy } from '../../tuf/signature-policy.ts';
import { rootsAlone } from '../../tuf/trust-policy.ts';
import { createTrustedSet } from '../../tuf/trusted-set.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type {
  NewRoot,
  TrustMove,
  TrustRootPort,
  TrustRootRecord,
} from '../datastore/ports/trust-root-port.ts';
import type { Note } from '../history/history.ts';
import { allTrustRoots } from '../releases/upload/check-archive.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import type { BackgroundTask } from './task.ts';

const FORGOTTEN_ROOTS_TASK = 'forgotten_trust_roots';
/** A restore is rare, and a person waits for none of this: without it a release under a newer root brings the roots itself. */
const PERIOD_MS = 10 * 60_000;
const ANSWER_TIMEOUT_MS = 5_000;
/** An answer may be as large as the client takes (FGR3). */
const CONCURRENCY = 4;

type Deps = {
  readonly datastore: Pick<TrustRootPort, 'trustRootList' | 'trustRootAdvance'> & Pick<SledPort, 'sledList'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'roots'>;
  readonly note: Note;
  readonly signatures: SignaturePolicy;
  readonly newOrigin: () => AuditOrigin;
  readonly clock: Clock;
};

export const forgottenRoots = (deps: Deps): BackgroundTask => ({
  name: FORGOTTEN_ROOTS_TASK,
  description: 'take roots that the database forgot in a restore from the sleds',
  periodMs: PERIOD_MS,
  async activate({ log, signal }) {
    const known = await allTrustRoots(deps.datastore, signal);
    const sleds = known.length === 0 ? [] : await inServiceTargets(deps, signal);
    const { best, chains } = await askSleds(deps, known, sleds, signal);
    let recovered = 0;
    for (const record of known) {
      const found = best.get(record.id);
      if (found === undefined) continue;
      const { sledId, move } = found;
      const newest = move.roots.at(-1)?.version ?? 0;
      const before = newest - move.roots.length;
      await deps.datastore.trustRootAdvance(record.id, move, { signal, audit: deps.newOrigin() });
      deps.note({
        kind: 'trust_root_recovered',
        trustRootId: record.id,
        ...{ sledId, version: newest, previousVersion: before },
      });
      log.warn(
        { trust_root_id: record.id, root_version: newest, previous_version: before, sled_id: sledId },
        'roots that the database had forgotten were taken from a sled',
      );
      recovered += 1;
    }
    return { summary: { trust_roots: known.length, chains_of_sleds: chains, recovered } };
  },
});

/** One that does not answer is asked in the next period. */
const askSleds = async (
  { connection, signatures, clock }: Deps,
  known: readonly TrustRootRecord[],
  sleds: readonly SledTarget[],
  signal: AbortSignal,
): Promise<{ readonly best: ReadonlyMap<TrustRootId, Found>; readonly chains: number }> => {
  const limiter = createLimiter(CONCURRENCY);
  const best = new Map<TrustRootId, Found>();
  let chains = 0;
  const ask = async (sled: SledTarget): Promise<void> => {
    try {
      const told = await connection.roots(sled, {
        signal: AbortSignal.any([signal, clock.timeout(ANSWER_TIMEOUT_MS)]),
      });
      chains += told.length;
      for (const record of known) {
        const found = longest(record, { sledId: sled.id, told, signatures }, best.get(record.id));
        if (found !== undefined) best.set(record.id, found);
      }
    } catch {
      signal.throwIfAborted();
    }
  };
  await Promise.all(sleds.map(sled => limiter.run(() => ask(sled), { signal })));
  return { best, chains };
};

type Told = {
  readonly sledId: SledId;
  readonly told: readonly (readonly Uint8Array[])[];
  readonly signatures: SignaturePolicy;
};
type Found = { readonly sledId: SledId; readonly move: TrustMove };

/** FGR3: of what one sled told, or what is known already. */
const longest = (
  record: TrustRootRecord,
  { sledId, told, signatures }: Told,
  known: Found | undefined,
): Found | undefined => {
  let best = known;
  const newest = parseMetadata('root', record.rootBytes);
  for (const chain of told) {
    const newer = rootsAfter(newest, chain);
    if (newer.length <= (best?.move.roots.length ?? 0)) continue;
    const move = moveOf(record, newer, signatures);
    if (move.roots.length > (best?.move.roots.length ?? 0)) best = { sledId, move };
  }
  return best;
};

/** Nothing, if the chain has not this root. Roots of a chain follow each other without a gap, so its first one says where it is. */
const rootsAfter = (root: Metadata<'root'>, chain: readonly Uint8Array[]): readonly Uint8Array[] => {
  try {
    const [first] = chain;
    if (first === undefined) return [];
    const at = root.signed.version - parseMetadata('root', first).signed.version;
    const same = chain[at];
    return same !== undefined && rootDigestOf(same) === rootDigest(root) ? chain.slice(at + 1) : [];
  } catch (error) {
    if (error instanceof DepotError) return [];
    throw error;
  }
};

/** As far as the signatures go (FGR1). */
const moveOf = (
  { rootBytes, trustedVersions }: TrustRootRecord,
  newer: readonly Uint8Array[],
  signatures: SignaturePolicy,
): TrustMove => {
  const set = createTrustedSet(rootBytes, rootsAlone(signatures));
  const first = set.root();
  const roots: NewRoot[] = [];
  for (const bytes of newer) {
    try {
      set.updateRoot(bytes);
    } catch (error) {
      if (!(error instanceof DepotError)) throw error;
      break;
    }
    roots.push({ version: set.root().version, rootBytes: bytes });
  }
  const forgets = trustedVersions !== null && dropsOnlineKeys(first, set.root());
  const nothing = { root: set.root().version, timestamp: 0, snapshot: 0, targets: 0 };
  return { roots, trustedVersions: forgets ? nothing : null, forgetsVersions: forgets };
};
