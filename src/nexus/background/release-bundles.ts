/**
 * Releases that were recorded without their metadata, before sleds verified it, get a bundle:
 *
 *     releases without metadata ─┬─ whose archive this Nexus holds ─▶ verified again ─▶ the real bundle
 *                                └─ any other ─▶ one of their recorded artifacts, for an admin to exempt
 *
 * RBT1. An archive that does not verify is left as it is, and is not read again by this process: its release needs an exemption. One that
 *       could not be verified, since the database did not answer or there is no trust root yet, is tried in the next period.
 * RBT2. A bundle without metadata is made only where there is none. What is better is never replaced by it.
 */
import { bundleOfArtifacts } from '../../bundle/release-bundle.ts';
import type { UploadId } from '../../core/ids.ts';
import type { LocalRepo } from '../../core/inventory.ts';
import { errorCodeOf } from '../../lib/errors.ts';
import { readAllPages } from '../datastore/paging.ts';
import type { BundleGap, ReleasePort } from '../datastore/ports/release-port.ts';
import type { StagingDirectory } from '../releases/staging/directory.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { ArchiveToCheck, CheckedArchive } from '../releases/upload/check-archive.ts';
import type { Activation, BackgroundTask } from './task.ts';

export const RELEASE_BUNDLE_TASK = 'release_bundles';
const PERIOD_MS = 60_000;
const PAGE = 1_000;

type Deps = {
  readonly datastore: Pick<ReleasePort, 'bundleGaps' | 'bundleInsert' | 'repoArtifacts'>;
  readonly staging: Pick<Staging, 'held'>;
  readonly directory: Pick<StagingDirectory, 'filesOf'>;
  readonly check: (archive: ArchiveToCheck, options: { signal: AbortSignal }) => Promise<CheckedArchive>;
};

export const releaseBundles = (deps: Deps): BackgroundTask => {
  const refused = new Set<UploadId>();
  return {
    name: RELEASE_BUNDLE_TASK,
    description: 'make what vouches for releases that were recorded without it',
    periodMs: PERIOD_MS,
    async activate({ log, signal }) {
      const { datastore, staging } = deps;
      const gaps = await datastore.bundleGaps({ signal });
      const held = gaps.length === 0 ? [] : staging.held();
      const made = { signed: 0, exempt: 0 };
      for (const gap of gaps) {
        const archive = held.find(({ repoId, uploadId }) => repoId === gap.repoId && !refused.has(uploadId));
        if (archive !== undefined && (await fromArchive(deps, gap, archive, refused, { log, signal })))
          made.signed += 1;
        else if (!gap.hasBundle && (await fromArtifacts(deps, gap, signal))) made.exempt += 1;
      }
      if (made.signed + made.exempt > 0) log.info(made, 'bundles made for releases without one');
      return {
        summary: { without_metadata: gaps.length - made.signed, ...made },
        changed: made.signed + made.exempt > 0,
      };
    },
  };
};

/** Of the archive. */
const SAYS_NOTHING: ReadonlySet<string> = new Set([
  'DATABASE_UNAVAILABLE',
  'COMMIT_UNCERTAIN',
  'NO_TRUST_ROOT',
]);

/** RBT1. */
const fromArchive = async (
  { datastore, directory, check }: Deps,
  { repoId, systemVersion }: BundleGap,
  { uploadId }: LocalRepo,
  refused: Set<UploadId>,
  { log, signal }: Pick<Activation, 'log' | 'signal'>,
): Promise<boolean> => {
  const { archive: path } = directory.filesOf(uploadId);
  try {
    const { release, isCurrent } = await check(
      { path, archiveHash: '', allowExpired: true, allowRollback: true, recordedBefore: true },
      { signal },
    );
    if (release.bundle !== undefined && release.description.systemVersion === systemVersion)
      return await datastore.bundleInsert(repoId, { ...release.bundle, isCurrent }, { signal });
  } catch (err) {
    signal.throwIfAborted();
    log.warn({ err, system_version: systemVersion, upload_id: uploadId }, 'no bundle from this archive');
    if (SAYS_NOTHING.has(errorCodeOf(err))) return false;
  }
  refused.add(uploadId);
  return false;
};

/** RBT2. */
const fromArtifacts = async (
  { datastore }: Deps,
  { repoId, systemVersion }: BundleGap,
  signal: AbortSignal,
): Promise<boolean> => {
  const artifacts = await readAllPages(PAGE, page => datastore.repoArtifacts(repoId, page, { signal }));
  const bundle = bundleOfArtifacts({ systemVersion, artifacts });
  return await datastore.bundleInsert(repoId, { ...bundle, isCurrent: false }, { signal });
};
