/**
 * Checks whether an archive is a release that this fleet trusts: signatures, expiry and rollback, and every byte.
 *
 * CA1. For an archive that was recorded once, pruned or not, only signatures and bytes are checked: it may be the only copy
 *      left, and it does not change the rollback state (P3). While its release is present, any root of a chain may vouch for it,
 *      since the keys that signed it may have been rotated out.
 * CA4. For the archive of a deleted release the newest root of each chain has to vouch: a deletion ends what revoked keys have
 *      signed. An operator can override this; the audit records it.
 * CA2. The same holds for an archive whose release the database has lost while sleds still hold it: it was accepted once.
 *      The audit records this as an override.
 * CA3. Any other archive is verified from the newest root of each chain on: older keys no longer count.
 */
import type { SystemVersion, TrustRootId } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../../lib/errors.ts';
import type { SignaturePolicy } from '../../../tuf/signature-policy.ts';
import type { DigestRecords } from '../../../verify/entry-digests.ts';
import type { VerifiedRelease, VerifyRequest } from '../../../verify/verified-release.ts';
import { readAllPages } from '../../datastore/paging.ts';
import type { ReleasePort } from '../../datastore/ports/release-port.ts';
import type { TrustMove, TrustRootPort, TrustRootRecord } from '../../datastore/ports/trust-root-port.ts';
import type { LostSets } from './lost-sets.ts';

/** Trust roots read at a time; a fleet has a handful. */
const TRUST_ROOT_PAGE = 100;

export type VerifyRelease = (
  path: string,
  request: VerifyRequest<TrustRootId>,
  options: { readonly signal: AbortSignal; readonly digests?: DigestRecords | undefined },
) => Promise<VerifiedRelease<TrustRootId>>;

export type ArchiveToCheck = {
  readonly path: string;
  /** SHA-256 of the file, in hex. */
  readonly archiveHash: string;
  /** Of its entries, as they were received. */
  readonly digests?: DigestRecords | undefined;
  readonly allowExpired: boolean;
  readonly allowRollback: boolean;
  /** Any root of a chain may vouch for a deleted release (CA4). */
  readonly allowRevokedKeys?: boolean;
  /** It was recorded once, although the database may have lost it. */
  readonly recordedBefore?: boolean;
};

export type CheckedArchive = {
  readonly release: VerifiedRelease<TrustRootId>;
  /** Of the trust root; unchanged by an archive that was recorded before (CA1). */
  readonly move: TrustMove;
  /** The newest root of a chain vouches for it, and not only an older one. */
  readonly isCurrent: boolean;
  /** One sentence per passed check, in order. */
  readonly report: readonly string[];
  /** One sentence per override. */
  readonly overrides: readonly string[];
};

type Deps = {
  readonly datastore: Pick<ReleasePort, 'repoGetByHash'> &
    Pick<TrustRootPort, 'trustRootList' | 'trustRootChain'>;
  readonly verifyRelease: VerifyRelease;
  readonly clock: Clock;
  readonly limits: NonNullable<VerifyRequest['limits']>;
  readonly signatures: SignaturePolicy;
  readonly lost: Pick<LostSets, 'isEmpty' | 'bringsBack'>;
};

/** Of the release of an archive. */
type Standing =
  | { readonly kind: 'new' | 'present' }
  | { readonly kind: 'deleted'; readonly systemVersion: SystemVersion };

export const checkArchive = async (
  deps: Deps,
  archive: ArchiveToCheck,
  { signal }: { signal: AbortSignal },
): Promise<CheckedArchive> => {
  const standing = await standingOf(deps, archive, signal);
  switch (standing.kind) {
    case 'new':
      return await checkNew(deps, archive, signal);
    case 'present':
      return await checkWith(deps, archive, { isExempt: true, roots: 'every' }, signal);
    case 'deleted':
      return await checkDeleted(deps, archive, standing, signal);
    default:
      return standing satisfies never;
  }
};

const standingOf = async (
  { datastore }: Deps,
  { archiveHash, recordedBefore = false }: ArchiveToCheck,
  signal: AbortSignal,
): Promise<Standing> => {
  if (recordedBefore) return { kind: 'present' };
  const repo = await datastore.repoGetByHash(archiveHash, { signal });
  if (repo === undefined) return { kind: 'new' };
  return repo.timePrunedMs === null
    ? { kind: 'present' }
    : { kind: 'deleted', systemVersion: repo.systemVersion };
};

const checkNew = async (
  deps: Deps,
  archive: ArchiveToCheck,
  signal: AbortSignal,
): Promise<CheckedArchive> => {
  try {
    return await checkWith(deps, archive, { isExempt: false, roots: 'newest' }, signal);
  } catch (error) {
    if (!LOOKS_BACK.has(errorCodeOf(error)) || deps.lost.isEmpty()) throw error;
    const again = await checkWith(deps, archive, { isExempt: true, roots: 'every' }, signal);
    const { artifacts } = again.release.description;
    if (!deps.lost.bringsBack(artifacts.map(({ sha256 }) => sha256))) throw error;
    return { ...again, overrides: [BROUGHT_BACK] }; // CA2
  }
};

/** CA4. */
const checkDeleted = async (
  deps: Deps,
  archive: ArchiveToCheck,
  { systemVersion }: { readonly systemVersion: SystemVersion },
  signal: AbortSignal,
): Promise<CheckedArchive> => {
  try {
    return await checkWith(deps, archive, { isExempt: true, roots: 'newest' }, signal);
  } catch (error) {
    if (errorCodeOf(error) !== 'UNTRUSTED_SIGNATURES') throw error;
    if (archive.allowRevokedKeys !== true) throw stayDeleted(systemVersion, error);
    const again = await checkWith(deps, archive, { isExempt: true, roots: 'every' }, signal);
    return { ...again, overrides: [SIGNED_BY_REVOKED_KEYS] };
  }
};

const stayDeleted = (systemVersion: SystemVersion, cause: unknown): DepotError =>
  new DepotError(
    'UNTRUSTED_SIGNATURES',
    `release ${systemVersion} is deleted, and no trust root vouches for it any more; the keys that signed it may have been revoked`,
    {
      cause,
      detail: {
        remedy:
          'Have it signed by keys that are trusted now; or, if you want it back in spite of that, which is recorded: tuf-depot repo upload --allow-revoked-keys, in the API allow_revoked_keys=true.',
      },
    },
  );

/** The override of a deleted release under keys that are no longer trusted, in its audit. */
const SIGNED_BY_REVOKED_KEYS =
  'accepted by override: the release was deleted, and a newer root has revoked the keys that signed it';

/** Refusals that can happen to an archive that was accepted once. */
const LOOKS_BACK: ReadonlySet<string> = new Set(['METADATA_EXPIRED', 'METADATA_ROLLBACK']);

/** The override of a release that a database lost, in its audit. */
export const BROUGHT_BACK =
  'the database has lost this release and sleds still hold it: it is exempt from expiry and rollback';

const checkWith = async (
  { datastore, verifyRelease, clock, limits, signatures }: Deps,
  archive: ArchiveToCheck,
  { isExempt, roots: counted }: { readonly isExempt: boolean; readonly roots: 'newest' | 'every' },
  signal: AbortSignal,
): Promise<CheckedArchive> => {
  const roots = await allTrustRoots(datastore, signal);
  const request = {
    ...trustRequest(roots, { nowMs: clock.nowMs(), signatures }),
    limits,
    allowExpired: isExempt || archive.allowExpired,
    allowRollback: isExempt || archive.allowRollback,
  };
  const trustRoots = counted === 'every' ? await everyRoot(datastore, roots, signal) : request.trustRoots;
  const release = await verifyRelease(
    archive.path,
    { ...request, trustRoots },
    { signal, digests: archive.digests },
  );
  const passed = release.report.filter(({ check }) => check !== 'override').map(({ text }) => text);
  const overridden = release.report.filter(({ check }) => check === 'override').map(({ text }) => text);
  return {
    release,
    move: isExempt ? NO_MOVE : moveBy(release, roots),
    isCurrent: counted === 'newest',
    report: isExempt ? [...passed, RECORDED_BEFORE] : passed,
    overrides: isExempt ? [] : overridden,
  };
};

const NO_MOVE: TrustMove = { roots: [], trustedVersions: null, forgetsVersions: false };

/** The starting point of a verification. */
export const trustRequest = (
  roots: readonly TrustRootRecord[],
  { nowMs, signatures }: Required<Pick<VerifyRequest, 'nowMs' | 'signatures'>>,
) => ({
  ...{ nowMs, signatures },
  trustRoots: roots.map(({ id, rootBytes }) => ({ id, bytes: rootBytes })),
  trustedVersions: new Map(
    roots.flatMap(({ id, trustedVersions }) =>
      trustedVersions === null ? [] : [[id, trustedVersions] as const],
    ),
  ),
});

/** The change of the trust root by the verified metadata. */
export const moveBy = (
  {
    trustRootId,
    roots: successors,
    versions,
  }: Pick<VerifiedRelease<TrustRootId>, 'trustRootId' | 'roots' | 'versions'>,
  roots: readonly TrustRootRecord[],
): TrustMove => {
  const remembered = roots.find(({ id }) => id === trustRootId)?.trustedVersions ?? undefined;
  // Verified versions are never below stored ones that still count, so lower ones mean that those were discarded.
  const forgetsVersions =
    remembered !== undefined &&
    (['timestamp', 'snapshot', 'targets'] as const).some(role => versions[role] < remembered[role]);
  return { roots: successors, trustedVersions: versions, forgetsVersions };
};

/** CA1: every root of every chain, the newest first. */
const everyRoot = async (
  datastore: Deps['datastore'],
  roots: readonly TrustRootRecord[],
  signal: AbortSignal,
): Promise<VerifyRequest<TrustRootId>['trustRoots']> => {
  const chains = await trustRootChains(datastore, roots, signal);
  return chains.flatMap(({ id, chain }) => chain.toReversed().map(bytes => ({ id, bytes })));
};

const RECORDED_BEFORE = 'this archive was recorded before: it is exempt from expiry and rollback';

export const allTrustRoots = (
  datastore: Pick<TrustRootPort, 'trustRootList'>,
  signal: AbortSignal,
): Promise<readonly TrustRootRecord[]> =>
  readAllPages(TRUST_ROOT_PAGE, page => datastore.trustRootList(page, { signal }));

/** The whole chain of each, the oldest root first; one that was deleted meanwhile has none. */
export const trustRootChains = async (
  datastore: Pick<TrustRootPort, 'trustRootChain'>,
  roots: readonly Pick<TrustRootRecord, 'id'>[],
  signal: AbortSignal,
): Promise<readonly { readonly id: TrustRootId; readonly chain: readonly Uint8Array[] }[]> => {
  const read = async ({ id }: Pick<TrustRootRecord, 'id'>) => {
    const chain = await datastore.trustRootChain(id, { signal });
    return chain === undefined ? [] : [{ id, chain }];
  };
  return (await Promise.all(roots.map(read))).flat();
};
