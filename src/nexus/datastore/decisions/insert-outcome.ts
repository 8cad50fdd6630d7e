/** The rows of a new release; release-conflicts.ts has the conflicts that prevent its recording. */
import type { AuditAction } from '../../../core/facts/audit.ts';
import type { ArtifactHash, Generation, Point } from '../../../core/ids.ts';
import type { ReleaseArtifact } from '../../../core/release.ts';
import type { InsertOutcome, NewRelease, RepoRecord } from '../ports/release-port.ts';
import type { WantedSet } from '../ports/wanted-set-port.ts';

/** A release that was recorded before keeps its id, pruned or not. */
export const insertOutcome = (
  release: NewRelease,
  repo: RepoRecord,
  generation: Generation,
): InsertOutcome => ({
  status: repo.id === release.repoId ? 'inserted' : 'already_exists',
  repo,
  generation,
});

/** The audited action. */
export const releaseUploaded = (
  { uploadId, fileName, hash, hashKind, overrides, trustRootId, roots }: NewRelease,
  { generation: previousGeneration }: Point,
  { status, repo, generation }: InsertOutcome,
): AuditAction<'release_uploaded'> => ({
  kind: 'release_uploaded',
  systemVersion: repo.systemVersion,
  ...{ uploadId, fileName, hash, hashKind, overrides, trustRootId, generation, previousGeneration },
  wasThere: status === 'already_exists',
  rootVersions: roots.map(({ version }) => version),
});

/** One file in two roles is two artifacts, but its bytes count once. */
export const totalsOf = (
  artifacts: readonly ReleaseArtifact[],
): Pick<RepoRecord, 'artifactCount' | 'totalSizeBytes'> => {
  const sizes = new Map(artifacts.map(({ sha256, sizeBytes }) => [sha256, sizeBytes]));
  return {
    artifactCount: artifacts.length,
    totalSizeBytes: [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0),
  };
};

export const wantedWith = (
  wanted: Pick<WantedSet, 'artifacts'>,
  artifacts: readonly ReleaseArtifact[],
): ReadonlySet<ArtifactHash> =>
  new Set([...wanted.artifacts.keys(), ...artifacts.map(({ sha256 }) => sha256)]);
