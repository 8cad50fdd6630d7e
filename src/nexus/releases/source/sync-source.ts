/**
 * One fetch of an upstream repository.
 *
 *     metadata, verified ─▶ known already? ─▶ targets into staging/sources ─▶ an archive ─▶ the upload path
 *
 * SY1. A fetched release is written as an archive and uploaded like any other (S3), so that the same code verifies, records
 *      and replicates it.
 * SY2. A release that was recorded once is not fetched again, even if a person deleted it, since that was intended. What retention
 *      deleted is fetched again: the source has it now. What a followed source has is remembered, and retention keeps it. If a release
 *      was signed anew, the versions of the trust root are updated, and so is the bundle that vouches for the release before sleds.
 * SY3. A fetch that is killed at any moment resumes: whole targets stay, partial ones are continued.
 * SY4. Nothing is overridden: expired, rolled back or mixed metadata is refused.
 */
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecordedWhole } from '../../../composite/kinds.ts';
import type { RepoId, SystemVersion, TrustRootId } from '../../../core/ids.ts';
import { isDerivedVersion, RELEASE_ROLES, type ReleaseArtifact } from '../../../core/release.ts';
import type { Clock } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { FetchRelease } from '../../../source/fetch-release.ts';
import type { FetchedRelease, FoundRelease } from '../../../source/fetch-repository.ts';
import { archiveOf } from '../../../source/release-archive.ts';
import { parseMetadata } from '../../../tuf/metadata.ts';
import type { SignaturePolicy } from '../../../tuf/signature-policy.ts';
import { readAllPages } from '../../datastore/paging.ts';
import type { ReleasePort, RepoRecord } from '../../datastore/ports/release-port.ts';
import type { TrustRootPort, TrustRootRecord } from '../../datastore/ports/trust-root-port.ts';
import { allRepoArtifacts } from '../../datastore/release-artifacts.ts';
import type { StagingDirectory } from '../staging/directory.ts';
import type { StagingSpace } from '../staging/space.ts';
import { allTrustRoots, moveBy, trustRequest } from '../upload/check-archive.ts';
import type { FleetCapacity } from '../upload/fleet-capacity.ts';
import type { Uploads } from '../upload/uploads.ts';
import { folderOf, type SourceConfig } from './source-config.ts';

export type SyncDeps = {
  readonly datastore: Pick<TrustRootPort, 'trustRootList' | 'trustRootChain' | 'trustRootAdvance'> &
    Pick<
      ReleasePort,
      | 'repoGetByHash'
      | 'repoGetByVersion'
      | 'repoArtifacts'
      | 'bundleInsert'
      | 'releaseFollowed'
      | 'releasesFollowed'
    >;
  readonly directory: Pick<StagingDirectory, 'path'>;
  readonly space: StagingSpace;
  readonly capacity: FleetCapacity;
  readonly uploads: Pick<Uploads, 'upload'>;
  readonly fetchRelease: FetchRelease<TrustRootId>;
  readonly signatures: SignaturePolicy;
  readonly clock: Clock;
};

export type SyncOptions = {
  readonly signal: AbortSignal;
  readonly onFound: (found: FoundRelease<TrustRootId>) => void;
  readonly onProgress: (doneBytes: number) => void;
};

export type SyncOutcome = {
  /** `recorded_again`: retention had deleted it. */
  readonly kind: 'recorded' | 'recorded_again' | 'known' | 'deleted_here';
  readonly systemVersion: SystemVersion;
};

const DAY_MS = 86_400_000;
/** A source that is away, or a Nexus, for this long does not cost a release. */
const MIN_KEPT_MS = 7 * DAY_MS;

/** Throws what `fetchRepository` and `Uploads.upload` throw; `RELEASE_CONFLICT` for a version with another content. */
export const syncSource = async (
  deps: SyncDeps,
  source: SourceConfig,
  { signal, onFound, onProgress }: SyncOptions,
): Promise<SyncOutcome> => {
  const roots = await allTrustRoots(deps.datastore, signal);
  const directory = join(deps.directory.path, 'sources', folderOf(source));
  const reservation = deps.space.open();
  let found: FoundRelease<TrustRootId> | undefined;
  let known: RepoRecord | undefined;
  try {
    const fetched = await deps.fetchRelease(
      {
        source: await connectionOf(source),
        directory,
        trust: trustRequest(roots, { nowMs: deps.clock.nowMs(), signatures: deps.signatures }),
        maxBytes: source.maxBytes,
      },
      {
        signal,
        onProgress,
        async decide(release) {
          found = release;
          onFound(release);
          known = (await findKnown(deps, release, signal)) ?? (await findSame(deps, source, release, signal));
          if (known !== undefined && known.prunedBy !== 'retention') return false;
          await deps.capacity.checkAnnounced(release.totalBytes, { signal });
          await reservation.grow(release.totalBytes, { signal });
          return true;
        },
      },
    );
    reservation.release();
    if (fetched !== undefined && found !== undefined) {
      const { repoId, systemVersion } = await uploadFetched(deps, source, fetched, found, signal);
      await rm(directory, { recursive: true, force: true });
      await rememberFollowed(deps, source, repoId, signal);
      return { kind: known === undefined ? 'recorded' : 'recorded_again', systemVersion };
    }
  } finally {
    reservation.release();
  }
  if (found === undefined || known === undefined) throw new Error('a fetch ended without a release');
  await rememberSigned(deps, found, known, roots, signal);
  await rememberBundle(deps, found, known, signal);
  await rememberFollowed(deps, source, known.id, signal);
  await rm(directory, { recursive: true, force: true });
  return { kind: known.timePrunedMs === null ? 'known' : 'deleted_here', systemVersion: known.systemVersion };
};

/** The certificate is read each time: it may have been renewed. */
const connectionOf = async ({
  metadataUrl,
  targetsUrl,
  proxy,
  caFile,
  maxBytesPerSecond,
  progress,
}: SourceConfig) => {
  const caPem = caFile === undefined ? undefined : await readCa(caFile);
  return { metadataUrl, targetsUrl, proxy, caPem, maxBytesPerSecond, progress };
};

const readCa = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((cause: unknown) => {
    throw new DepotError('IO', `cannot read the certificates in ${path}`, { cause });
  });

/** SY2. */
const findKnown = async (
  { datastore }: SyncDeps,
  { targetsSha256, description }: FoundRelease<TrustRootId>,
  signal: AbortSignal,
): Promise<RepoRecord | undefined> => {
  const same = await datastore.repoGetByHash(targetsSha256, { signal });
  if (same !== undefined) return same;
  const { systemVersion, format } = description;
  const recorded = await datastore.repoGetByVersion(systemVersion, { signal, includePruned: true });
  if (recorded === undefined) return undefined;
  // What replaces some artifacts of v1 is known only after a look into them; the others distinguish two releases as well.
  const whole = description.artifacts.filter(
    ({ tags }) => format !== 'v1' || isRecordedWhole(tags.kind ?? ''),
  );
  const recordedHashes = await allRepoArtifacts(datastore, recorded.id, { signal });
  const other = whole.find(({ sha256 }) => !recordedHashes.has(sha256));
  if (other === undefined) return recorded;
  throw new DepotError(
    'RELEASE_CONFLICT',
    `release ${systemVersion} is recorded with other artifacts than the source has, such as ${other.targetName} (${other.sha256})`,
    { detail: { system_version: systemVersion, target: other.targetName } },
  );
};

/** SY2. A release without a name of its own that has what the source had before was signed anew. */
const findSame = async (
  { datastore }: SyncDeps,
  source: SourceConfig,
  { description, targetCount }: FoundRelease<TrustRootId>,
  signal: AbortSignal,
): Promise<RepoRecord | undefined> => {
  const { artifacts, systemVersion, leftOut = [] } = description;
  // Where a SHA-256 is missing or something was left out, what is the same cannot be known.
  if (!isDerivedVersion(systemVersion) || artifacts.length !== targetCount || leftOut.length > 0)
    return undefined;
  const followed = (await datastore.releasesFollowed({ signal })).find(
    each => each.source === folderOf(source),
  );
  if (followed === undefined || !isDerivedVersion(followed.systemVersion)) return undefined;
  const recorded = await readAllPages(ARTIFACT_PAGE, page =>
    datastore.repoArtifacts(followed.repoId, page, { signal }),
  );
  const texts = new Set(recorded.map(artifactText));
  const isSame =
    recorded.length === artifacts.length && artifacts.every(each => texts.has(artifactText(each)));
  return isSame ? datastore.repoGetByVersion(followed.systemVersion, { signal }) : undefined;
};

const ARTIFACT_PAGE = 1_000;

const artifactText = ({ targetName, sha256, sizeBytes, version, tags }: ReleaseArtifact): string =>
  JSON.stringify([targetName, sha256, sizeBytes, version, Object.entries(tags).sort()]);

/** SY1. The archive has every root of the chain, so that it can be verified by itself later on. */
const uploadFetched = async (
  { datastore, uploads }: SyncDeps,
  { name }: SourceConfig,
  fetched: FetchedRelease,
  found: FoundRelease<TrustRootId>,
  signal: AbortSignal,
): Promise<{ readonly repoId: RepoId; readonly systemVersion: SystemVersion }> => {
  const chain = (await datastore.trustRootChain(found.trustRootId, { signal })) ?? [];
  const metadata = new Map(fetched.metadata);
  for (const bytes of chain) metadata.set(`${parseMetadata('root', bytes).signed.version}.root.json`, bytes);
  const { systemVersion } = found.description;
  const outcome = await uploads.upload(
    {
      fileName: `${name}-${systemVersion}.zip`,
      hashKind: 'targets',
      allowExpired: false,
      allowRollback: false,
      contentLength: undefined,
      chunks: archiveOf({ ...fetched, metadata }, { signal }),
    },
    { signal, isPatient: true },
  );
  assert('repo' in outcome, 'a fetched archive has a release');
  return { repoId: outcome.repo.id, systemVersion: outcome.repo.systemVersion };
};

/** SY2. What is fetched once, for an operator, is followed by nobody. */
const rememberFollowed = async (
  { datastore }: SyncDeps,
  source: SourceConfig,
  repoId: RepoId,
  signal: AbortSignal,
): Promise<void> => {
  const { name, periodMs } = source;
  if (periodMs === undefined) return;
  const keepMs = Math.max(MIN_KEPT_MS, 3 * periodMs);
  await datastore.releaseFollowed({ source: folderOf(source), sourceName: name, repoId, keepMs }, { signal });
};

/** Not for a release whose recorded artifacts are not all signed here: the parts of composites are known to an upload alone. */
const rememberBundle = async (
  { datastore }: SyncDeps,
  { bundle, description }: FoundRelease<TrustRootId>,
  { id: repoId, timePrunedMs }: RepoRecord,
  signal: AbortSignal,
): Promise<void> => {
  if (bundle === undefined || timePrunedMs !== null) return;
  const recorded = await allRepoArtifacts(datastore, repoId, { signal });
  const signed = new Set(description.artifacts.map(({ sha256 }) => sha256));
  if (recorded.isSubsetOf(signed))
    await datastore.bundleInsert(repoId, { ...bundle, isCurrent: true }, { signal });
};

const rememberSigned = async (
  { datastore }: SyncDeps,
  found: FoundRelease<TrustRootId>,
  { id: repoId }: RepoRecord,
  roots: readonly TrustRootRecord[],
  signal: AbortSignal,
): Promise<void> => {
  const roles = RELEASE_ROLES.map(role => ({ role, ...found.roles[role] }));
  const move = moveBy(found, roots);
  await datastore.trustRootAdvance(found.trustRootId, move, {
    signal,
    resigned: { repoId, roles },
  });
};
