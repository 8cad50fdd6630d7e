/**
 * The conflicts that prevent the recording of a release.
 *
 * CN1. A version stands for one set of artifacts, one metadata and one archive for ever, pruned or not.
 * CN2. An archive has one version. Derived versions are no contradiction: they are names that this program gives.
 * CN3. A hash has one length and one version, in all releases. A version that is only derived from the hash yields to any other.
 * CN4. The same archive read by a later version of this software may have other artifacts. Then the later reading counts.
 */
import type { ArtifactHash } from '../../../core/ids.ts';
import { isDerivedVersion, type ReleaseArtifact, versionByHash } from '../../../core/release.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { NewRelease, RepoRecord } from '../ports/release-port.ts';

/**
 * The release recorded for this version, or undefined when it is new.
 *
 * @param recorded whatever was recorded with this version or with this archive
 * @throws `RELEASE_CONFLICT` (CN2), naming both sides
 */
export const recordedAs = (recorded: readonly RepoRecord[], release: NewRelease): RepoRecord | undefined => {
  const { systemVersion } = release.description;
  const other = recorded.find(repo => repo.hash === release.hash && repo.systemVersion !== systemVersion);
  // Nobody signed either version: the one that it was recorded with stays.
  if (other !== undefined && isDerivedVersion(systemVersion) && isDerivedVersion(other.systemVersion))
    return other;
  if (other !== undefined) {
    throw releaseConflict(
      `${release.hashKind} ${release.hash} is recorded as release ${stateOf(other)}, and cannot be release ${systemVersion} too`,
      release,
      other,
    );
  }
  return recorded.find(repo => repo.systemVersion === systemVersion);
};

/** The artifacts and the metadata of a recorded release. */
export type ReleaseContent = {
  readonly artifacts: readonly ReleaseArtifact[];
  readonly metadata: Readonly<Record<string, string>>;
};

/** @throws `RELEASE_CONFLICT` (CN1), naming both sides */
export const requireSameRelease = (
  release: NewRelease,
  recorded: RepoRecord,
  { artifacts, metadata }: ReleaseContent,
): void => {
  const { description } = release;
  const subject = `release ${stateOf(recorded)}`;
  const uploaded = new Set(description.artifacts.map(artifactKey));
  const known = new Set(artifacts.map(artifactKey));
  const [added, missing] = [uploaded.difference(known), known.difference(uploaded)];
  if (added.size + missing.size > 0 && !isSameArchive(release, recorded)) {
    throw releaseConflict(
      `${subject} is recorded with other artifacts than uploaded: ${only('the upload', added)}${only('the recorded one', missing)}`,
      release,
      recorded,
    );
  }
  const differing = Object.keys({ ...metadata, ...description.metadata }).find(
    key => metadata[key] !== description.metadata[key],
  );
  if (differing !== undefined) {
    throw releaseConflict(
      `${subject} is recorded with metadata ${differing}=${metadata[differing] ?? '(none)'}, the upload has ${description.metadata[differing] ?? '(none)'}`,
      release,
      recorded,
    );
  }
  // A release may be fetched over HTTP, signed anew there before its metadata expires, and uploaded as an archive:
  // only two archives contradict each other.
  const bothArchives = release.hashKind === 'archive' && recorded.hashKind === 'archive';
  if (bothArchives && release.hash !== recorded.hash) {
    throw releaseConflict(
      `${subject} is recorded with ${recorded.hashKind} ${recorded.hash}, the upload is ${release.hash}`,
      release,
      recorded,
    );
  }
};

const isSameArchive = (release: Pick<NewRelease, 'hash' | 'hashKind'>, recorded: RepoRecord): boolean =>
  release.hash === recorded.hash && release.hashKind === recorded.hashKind;

/** Whether the upload replaces the recorded artifacts (CN4); for a release that {@link requireSameRelease} accepts. */
export const isReadAnew = (
  release: Pick<NewRelease, 'hash' | 'hashKind' | 'description'>,
  recorded: RepoRecord,
  artifacts: readonly ReleaseArtifact[],
): boolean => {
  const known = new Set(artifacts.map(artifactKey));
  const uploaded = new Set(release.description.artifacts.map(artifactKey));
  return isSameArchive(release, recorded) && known.symmetricDifference(uploaded).size > 0;
};

/** The facts that belong to a hash (CN3). */
export type FileFacts = { readonly sizeBytes: number; readonly version: string };
/** With its origin, for people. */
type SaidFile = FileFacts & { readonly where: string };

/**
 * The files of a release by hash.
 *
 * @throws `ARTIFACT_CONFLICT` (CN3) when it contradicts itself
 */
export const filesOf = (artifacts: readonly ReleaseArtifact[]): ReadonlyMap<ArtifactHash, SaidFile> => {
  const files = new Map<ArtifactHash, SaidFile>();
  for (const { sha256, sizeBytes, version, targetName } of artifacts) {
    const file = { sizeBytes, version, where: `target ${targetName}` };
    const known = files.get(sha256);
    if (known === undefined) files.set(sha256, file);
    else requireSameFile(sha256, known, file);
  }
  return files;
};

/**
 * @param files of the release that is uploaded
 * @param known of other releases: one file
 * @returns the version that the file has from now on, if it is another one
 * @throws `ARTIFACT_CONFLICT` (CN3), naming both sides
 */
export const requireKnownFile = (
  files: ReadonlyMap<ArtifactHash, SaidFile>,
  sha256: ArtifactHash,
  { sizeBytes, version }: FileFacts,
): string | undefined => {
  const uploaded = files.get(sha256);
  if (uploaded === undefined) return undefined;
  const derived = versionByHash({ sha256 });
  const settled = version === derived ? uploaded.version : version;
  const said = uploaded.version === derived ? settled : uploaded.version;
  const known = { sizeBytes, version: settled, where: 'an earlier release' };
  requireSameFile(sha256, known, { ...uploaded, version: said });
  return settled === version ? undefined : settled;
};

/** The zones of a release by hash, for {@link renamedZone}. */
export const zonesOf = (artifacts: readonly ReleaseArtifact[]): ReadonlyMap<ArtifactHash, ReleaseArtifact> =>
  new Map(artifacts.filter(({ tags }) => tags.kind === 'zone').map(artifact => [artifact.sha256, artifact]));

/**
 * The tags that a recorded zone gets when the same file is uploaded again, in another release: earlier versions of this software
 * named a zone of a v1 release after its file, and marked it so.
 */
export const renamedZone = (
  zones: ReadonlyMap<ArtifactHash, ReleaseArtifact>,
  { sha256, tags }: Pick<ReleaseArtifact, 'sha256' | 'tags'>,
): ReleaseArtifact['tags'] | undefined =>
  tags.kind === 'zone' && tags.v1_kind !== undefined ? zones.get(sha256)?.tags : undefined;

const requireSameFile = (sha256: ArtifactHash, known: SaidFile, uploaded: SaidFile): void => {
  if (known.sizeBytes === uploaded.sizeBytes && known.version === uploaded.version) return;
  const say = (file: SaidFile) => `version ${file.version} and ${file.sizeBytes} bytes in ${file.where}`;
  throw new DepotError(
    'ARTIFACT_CONFLICT',
    `artifact ${sha256} has ${say(uploaded)}, but ${say(known)}: one hash has one version and one length`,
    { detail: { sha256 } },
  );
};

/** Lengths and versions follow from the hash (CN3), so they are not compared here. */
const artifactKey = (artifact: ReleaseArtifact): string =>
  JSON.stringify([artifact.targetName, artifact.sha256, Object.entries(artifact.tags).sort()]);

const only = (side: string, keys: ReadonlySet<string>): string => {
  const [first] = keys;
  if (first === undefined) return '';
  const [targetName, sha256] = JSON.parse(first) as [string, string];
  return `${keys.size} only in ${side} (such as ${targetName}, ${sha256}); `;
};

const stateOf = (repo: RepoRecord): string =>
  repo.timePrunedMs === null ? repo.systemVersion : `${repo.systemVersion} (deleted)`;

const releaseConflict = (message: string, release: NewRelease, recorded: RepoRecord): DepotError =>
  new DepotError('RELEASE_CONFLICT', message.replace(/; $/, ''), {
    detail: {
      system_version: release.description.systemVersion,
      hash: release.hash,
      recorded_version: recorded.systemVersion,
      recorded_hash: recorded.hash,
    },
  });
