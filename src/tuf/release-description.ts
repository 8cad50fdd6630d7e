/**
 * From verified metadata to the release it describes.
 *
 * DO1. Every artifact is a signed target; its hashes and length come from the signed metadata, never from the document. Where only a
 *      SHA-512 is signed, the SHA-256 that addresses the artifact is computed from bytes that have the signed one.
 * DO4. A target that nothing proves, or that no client finds, is no artifact: a release is described without it, and names it.
 * DO2. One hash has one length and one version in a release: they are facts about the bytes.
 * DO3. Tags tell artifacts apart: no two have the same set, except measurement corpora, of which a release may
 *      have several.
 */
import { type ArtifactHash, SystemVersion } from '../core/ids.ts';
import { leftOutText } from '../core/left-out.ts';
import type { ReleaseArtifact, ReleaseDescription } from '../core/release.ts';
import { DepotError } from '../lib/errors.ts';
import { quoted } from '../lib/shown-text.ts';
import {
  type DocumentedArtifact,
  documentOfPlainTargets,
  documentTarget,
  MAX_DOCUMENT_BYTES,
  parseReleaseDocument,
  type ReleaseDocument,
} from './release-document.ts';
import { derivedVersion } from './release-identity.ts';
import { hashMismatch, type Target, targetFileNames } from './targets.ts';
import type { VerifiedRepository } from './workflow.ts';

/** An artifact by its metadata. */
export type DescribedArtifact = Omit<ReleaseArtifact, 'sha256' | 'version'> & {
  /** Undefined where only a SHA-512 is signed (DO1). */
  readonly sha256: ArtifactHash | undefined;
  /** Undefined where it follows from the SHA-256. */
  readonly version: string | undefined;
};
export type DescribedRelease = Omit<ReleaseDescription, 'artifacts'> & {
  readonly artifacts: readonly DescribedArtifact[];
};

/** Reads a file of the repository's targets, as {@link MetadataSource} reads metadata. */
export type ReadTarget = (fileName: string, maxBytes: number) => Promise<Uint8Array | undefined>;

const MAX_ARTIFACTS = 50_000;
const MAX_TAGS = 64;
const MAX_TAG_LENGTH = 256;
const ARTIFACT_VERSION = /^[a-zA-Z0-9._+-]{1,63}$/;
/** Several of these may have equal tags (DO3). */
const REPEATABLE_KIND = 'measurement_corpus';

/**
 * Finds the repository's artifact document, checks it against the signed targets, and describes the release.
 *
 * @throws DepotError `TARGET_MISSING`, `TARGET_LENGTH_MISMATCH` or `TARGET_HASH_MISMATCH` for the document itself, `RELEASE_DOCUMENT_INVALID`
 */
export const readRelease = async (
  repository: Pick<
    VerifiedRepository,
    'consistentSnapshot' | 'newestRoot' | 'targets' | 'delegated' | 'allTargets' | 'leftOut'
  >,
  readTarget: ReadTarget,
): Promise<DescribedRelease> => {
  const { consistentSnapshot, targets: top, allTargets } = repository;
  const document = documentTarget(allTargets);
  if (document === undefined) {
    const plain = documentOfPlainTargets(top.signed, allTargets, () => derivedVersion(repository));
    return { format: 'plain', ...describeRelease(plain, repository) };
  }
  const { format, name, target } = document;
  const bytes = await readDocument(name, target, consistentSnapshot, readTarget);
  return { format, ...describeRelease(parseReleaseDocument(format, bytes), repository) };
};

type SignedTargets = Pick<VerifiedRepository, 'allTargets' | 'leftOut'>;

/** Checks a document against the signed targets (DO1 to DO4). */
const describeRelease = (
  document: ReleaseDocument,
  targets: SignedTargets,
): Omit<DescribedRelease, 'format'> => {
  const systemVersion = SystemVersion.safeParse(document.systemVersion);
  if (!systemVersion.success) {
    throw invalid(`field "system_version" of ${document.what} must be a semantic version such as 1.2.3`);
  }
  if (document.artifacts.length > MAX_ARTIFACTS) {
    throw invalid(
      `${document.what} lists ${document.artifacts.length} artifacts; the limit is ${MAX_ARTIFACTS}`,
    );
  }
  const artifacts = document.artifacts.map(artifact => describeArtifact(artifact, targets, document.what));
  requireConsistentArtifacts(withKnownHashes(artifacts));
  const { leftOut } = targets;
  const described = { systemVersion: systemVersion.data, artifacts, metadata: document.metadata };
  return leftOut.length === 0 ? described : { ...described, leftOut };
};

/** Those whose SHA-256 the metadata has. */
export const withKnownHashes = (artifacts: readonly DescribedArtifact[]): readonly ReleaseArtifact[] =>
  artifacts.flatMap(artifact => {
    const { sha256 } = artifact;
    return sha256 === undefined ? [] : [{ ...artifact, sha256, version: versionOf(artifact, sha256) }];
  });

/**
 * The release with the SHA-256 of each artifact (DO1).
 *
 * @param computed by target name, from bytes that have their signed hashes
 * @throws DepotError `RELEASE_DOCUMENT_INVALID` if artifacts contradict each other, or one has no SHA-256
 */
export const withHashes = (
  release: DescribedRelease,
  computed: ReadonlyMap<string, ArtifactHash>,
): ReleaseDescription => {
  const artifacts = release.artifacts.map(artifact => {
    const sha256 = artifact.sha256 ?? computed.get(artifact.targetName);
    if (sha256 === undefined)
      throw invalid(`the artifact ${artifact.targetName} has no sha256 in the targets metadata`);
    return { ...artifact, sha256, version: versionOf(artifact, sha256) };
  });
  requireConsistentArtifacts(artifacts);
  return { ...release, artifacts };
};

const VERSION_DIGITS = 16;

const versionOf = ({ version }: DescribedArtifact, sha256: ArtifactHash): string =>
  version ?? sha256.slice(0, VERSION_DIGITS);

const describeArtifact = (
  { targetName, version, tags, fields }: DocumentedArtifact,
  { allTargets, leftOut }: SignedTargets,
  what: string,
): DescribedArtifact => {
  if (version !== undefined && !ARTIFACT_VERSION.test(version)) {
    fields.fail(
      'version',
      `of ${quoted(targetName)} must be 1 to 63 letters, digits, dots, underscores, plus or minus signs`,
    );
  }
  const pairs = Object.entries(tags);
  if (pairs.length > MAX_TAGS || pairs.some(([key, value]) => key.length + value.length > MAX_TAG_LENGTH)) {
    fields.fail(
      'tags',
      `of ${quoted(targetName)} must not exceed ${MAX_TAGS} tags of ${MAX_TAG_LENGTH} characters`,
    );
  }
  const target = allTargets.get(targetName);
  if (target === undefined) {
    const why = leftOut.find(each => each.targetName === targetName);
    throw invalid(
      why === undefined
        ? `${what} lists ${quoted(targetName)}, which is not a signed target of the repository`
        : `${what} lists an artifact that is no usable target: ${leftOutText(why)}`,
    );
  }
  const { sha256 } = target.hashes;
  return { sha256, sizeBytes: target.lengthBytes, targetName, version, tags };
};

/** DO2 and DO3. Throws `RELEASE_DOCUMENT_INVALID`. */
export const requireConsistentArtifacts = (artifacts: readonly ReleaseArtifact[]): void => {
  requireOneVersionPerHash(artifacts);
  requireDistinctTags(artifacts);
};

const requireOneVersionPerHash = (artifacts: readonly ReleaseArtifact[]): void => {
  const byHash = new Map<string, ReleaseArtifact>();
  for (const artifact of artifacts) {
    const other = byHash.get(artifact.sha256) ?? artifact;
    byHash.set(artifact.sha256, other);
    const subject = `${other.targetName} and ${artifact.targetName} have the same sha256 ${artifact.sha256}`;
    if (other.sizeBytes !== artifact.sizeBytes) {
      throw invalid(`${subject}, but the lengths ${other.sizeBytes} and ${artifact.sizeBytes}`);
    }
    if (other.version !== artifact.version) {
      throw invalid(`${subject}, but the versions ${other.version} and ${artifact.version}`);
    }
  }
};

const requireDistinctTags = (artifacts: readonly ReleaseArtifact[]): void => {
  const byTags = new Map<string, ReleaseArtifact>();
  for (const artifact of artifacts) {
    if (artifact.tags.kind === REPEATABLE_KIND) continue;
    const key = JSON.stringify(Object.entries(artifact.tags).sort(([a], [b]) => (a < b ? -1 : 1)));
    const other = byTags.get(key);
    if (other !== undefined) {
      throw invalid(`${other.targetName} and ${artifact.targetName} have the same tags ${quoted(key)}`);
    }
    byTags.set(key, artifact);
  }
};

const readDocument = async (
  name: string,
  target: Target,
  consistentSnapshot: boolean,
  readTarget: ReadTarget,
): Promise<Uint8Array> => {
  if (target.lengthBytes > MAX_DOCUMENT_BYTES) {
    throw invalid(`${name} has ${target.lengthBytes} bytes; the limit is ${MAX_DOCUMENT_BYTES}`);
  }
  for (const fileName of targetFileNames(name, target.hashes, consistentSnapshot)) {
    const bytes = await readTarget(fileName, target.lengthBytes);
    if (bytes === undefined) continue;
    requireTargetBytes(name, target, bytes);
    return bytes;
  }
  throw new DepotError('TARGET_MISSING', `the repository has no file for its target ${name}`, {
    detail: { target: name },
  });
};

const requireTargetBytes = (name: string, { lengthBytes, hashes }: Target, bytes: Uint8Array): void => {
  const detail = { target: name };
  if (bytes.length !== lengthBytes) {
    const problem = `the target ${name} has ${bytes.length} bytes, but ${lengthBytes} were signed`;
    throw new DepotError('TARGET_LENGTH_MISMATCH', problem, { detail });
  }
  const wrong = hashMismatch(bytes, hashes);
  if (wrong !== undefined)
    throw new DepotError('TARGET_HASH_MISMATCH', `the target ${name} ${wrong}`, { detail });
};

const invalid = (message: string): DepotError => new DepotError('RELEASE_DOCUMENT_INVALID', message);
