/**
 * Whether an archive is a release that this fleet trusts: signatures, rules that look back, and every byte.
 *
 * CA1. An archive that was recorded once, pruned or not, is checked for signatures and bytes alone: time has not
 *      made it worse, it may be the only copy left, and it moves no rollback state (P3).
 */
import type { TrustRootId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import type { VerifiedRelease, VerifyRequest } from '../../verify/verified-release.ts';
import type { Datastore, TrustedVersions, TrustRootRecord } from '../datastore/datastore.ts';

/** Trust roots read at a time; a fleet has a handful. */
const TRUST_ROOT_PAGE = 100;

export type VerifyRelease = (
  path: string,
  request: VerifyRequest,
  options: { signal: AbortSignal },
) => Promise<VerifiedRelease>;

export type ArchiveToCheck = {
  readonly path: string;
  /** SHA-256 of the file, in hex. */
  readonly archiveHash: string;
  readonly allowExpired: boolean;
  readonly allowRollback: boolean;
  /** It was recorded once, although the database may not know any more. */
  readonly recordedBefore?: boolean;
};

export type CheckedArchive = {
  readonly release: VerifiedRelease;
  readonly trustRootId: TrustRootId;
  /** To remember for the trust root; null for an archive that moves nothing (CA1). */
  readonly trustedVersions: TrustedVersions | null;
  /** One sentence for each check that was passed, in order. */
  readonly report: readonly string[];
  /** One sentence for each thing accepted only because the operator said so. */
  readonly overrides: readonly string[];
};

type Deps = {
  readonly datastore: Pick<Datastore, 'repoGetByHash' | 'trustRootList'>;
  readonly verifyRelease: VerifyRelease;
  readonly clock: Clock;
  readonly limits: NonNullable<VerifyRequest['limits']>;
};

export const checkArchive = async (
  { datastore, verifyRelease, clock, limits }: Deps,
  archive: ArchiveToCheck,
  { signal }: { signal: AbortSignal },
): Promise<CheckedArchive> => {
  const isExempt =
    (archive.recordedBefore ?? false) ||
    (await datastore.repoGetByHash(archive.archiveHash, { signal })) !== undefined;
  const roots = await allTrustRoots(datastore, signal);
  const release = await verifyRelease(
    archive.path,
    {
      trustRoots: roots.map(({ id, rootBytes }) => ({ id, bytes: rootBytes })),
      nowMs: clock.nowMs(),
      limits,
      allowExpired: isExempt || archive.allowExpired,
      allowRollback: isExempt || archive.allowRollback,
      trustedVersions: new Map(
        roots.flatMap(({ id, trustedVersions }) =>
          trustedVersions === null ? [] : [[id, trustedVersions] as const],
        ),
      ),
    },
    { signal },
  );
  const passed = release.report.filter(({ check }) => check !== 'override').map(({ text }) => text);
  const overridden = release.report.filter(({ check }) => check === 'override').map(({ text }) => text);
  return {
    release,
    trustRootId: release.trustRootId as TrustRootId,
    trustedVersions: isExempt ? null : release.versions,
    report: isExempt ? [...passed, RECORDED_BEFORE] : passed,
    overrides: isExempt ? [] : overridden,
  };
};

const RECORDED_BEFORE =
  'this very archive was recorded before: neither expiry nor rollback is held against it';

const allTrustRoots = async (
  datastore: Deps['datastore'],
  signal: AbortSignal,
): Promise<readonly TrustRootRecord[]> => {
  const roots: TrustRootRecord[] = [];
  let pageToken: string | undefined;
  do {
    const page = await datastore.trustRootList({ limit: TRUST_ROOT_PAGE, pageToken }, { signal });
    roots.push(...page.items);
    pageToken = page.nextPage;
  } while (pageToken !== undefined);
  return roots;
};
