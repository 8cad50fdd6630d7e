/**
 * The artifacts of a verified v1 release as sleds hold them.
 *
 *     description ─▶ each composite: split │ each firmware image: read │ installinator document: made anew ─▶ description of what sleds hold
 *
 * CM1. Only format v1 has these; files of a v2 or plain release stay as they are described.
 * CM2. The parts take the place of their composite. The rules of a release (DO2, DO3) apply to the list with the parts.
 * CM3. Nothing is written: a caller extracts the parts with {@link splitComposite}, and gets the same ones.
 * CM4. Two images or zones with equal bytes and equal tags are one artifact. An image for a laboratory is none.
 * CM5. An image that does not say what it is keeps the tags of the v1 document, and is reported.
 */
import { ARCHIVE_LIMITS, type ArchiveLimits } from '../archive/limits.ts';
import { overLimit } from '../archive/refusal.ts';
import { type FirmwareRole, readFirmware } from '../composite/firmware.ts';
import { createImage } from '../composite/image.ts';
import { makeInstallinatorDocument } from '../composite/installinator.ts';
import { CORPUS_KIND, FIRMWARE_KINDS, INSTALLINATOR_KIND, WHOLE_KINDS } from '../composite/kinds.ts';
import { isComposite, type SplitOptions, splitComposite } from '../composite/split.ts';
import type { ArtifactHash } from '../core/ids.ts';
import type { PrefixDigests } from '../core/prefix-digests.ts';
import type { ReleaseArtifact, ReleaseDescription } from '../core/release.ts';
import { requireConsistentArtifacts } from '../tuf/release-description.ts';
import { type FirmwareFindings, firmwareTexts } from './firmware-texts.ts';
import type { VerifiedComposite } from './verified-release.ts';

export type SplitRelease = {
  readonly description: ReleaseDescription;
  readonly composites: readonly VerifiedComposite[];
  /** Of the parts that have some. */
  readonly prefixesOf: ReadonlyMap<ArtifactHash, PrefixDigests>;
  /** Artifacts of a kind that this version does not know, and so does not split. */
  readonly unknownKinds: readonly ReleaseArtifact[];
  /** What else was found in the artifacts, one sentence each. */
  readonly findings: readonly string[];
};

type Locate = (targetName: string) => {
  readonly entryName: string;
  readonly content: () => AsyncIterable<Uint8Array>;
};

/** Whether some of its artifacts are not in it as such. */
export const hasComposites = ({ format, artifacts }: ReleaseDescription): boolean =>
  format === 'v1' && artifacts.some(({ tags }) => isComposite(tags) || tags.kind === INSTALLINATOR_KIND);

/**
 * @param locate where the bytes of a target are
 * @throws DepotError as `splitComposite` does; `RELEASE_DOCUMENT_INVALID` if two parts cannot be told apart
 */
export const splitComposites = async (
  description: ReleaseDescription,
  locate: Locate,
  options: SplitReleaseOptions = {},
): Promise<SplitRelease> => {
  if (description.format !== 'v1')
    return { description, composites: [], prefixesOf: new Map(), unknownKinds: [], findings: [] };
  const reader = createReader(locate, options);
  for (const artifact of description.artifacts) await reader.read(artifact);
  const { artifacts, findings, ...rest } = reader.finish();
  requireConsistentArtifacts(artifacts);
  return { ...rest, description: { ...description, artifacts }, findings: firmwareTexts(findings) };
};

type SplitReleaseOptions = Pick<SplitOptions, 'prefixUnitBytes'> & {
  readonly limits?: Partial<ArchiveLimits> | undefined;
};

const createReader = (locate: Locate, { limits: given, prefixUnitBytes }: SplitReleaseOptions) => {
  const limits: ArchiveLimits = { ...ARCHIVE_LIMITS, ...given };
  const listed = createList();
  const composites: VerifiedComposite[] = [];
  const prefixesOf = new Map<ArtifactHash, PrefixDigests>();
  const unknownKinds: ReleaseArtifact[] = [];
  const { findings } = listed;
  let document: ReleaseArtifact | undefined;
  let totalBytes = 0;

  const readComposite = async (artifact: ReleaseArtifact): Promise<void> => {
    const { entryName, content } = locate(artifact.targetName);
    const options = { limits, readsFirmware: true, prefixUnitBytes };
    const split = await splitComposite(artifact, content(), options);
    totalBytes += split.parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (totalBytes > limits.maxTotalBytes)
      throw overLimit(
        'the size of all parts of composite artifacts in bytes',
        totalBytes,
        limits.maxTotalBytes,
      );
    const { parts, ignored, unreadable } = split;
    for (const part of parts) listed.add(part);
    for (const [sha256, prefixes] of split.prefixesOf) prefixesOf.set(sha256, prefixes);
    findings.unreadable.push(...unreadable);
    composites.push({ artifact, entryName, parts, ignored });
  };

  const readImage = async (artifact: ReleaseArtifact, role: FirmwareRole): Promise<void> => {
    const { targetName } = artifact;
    const image = createImage(artifact.sizeBytes);
    for await (const chunk of locate(targetName).content()) image.see(chunk);
    const firmware = readFirmware(image.bytes(), role);
    if (firmware.outcome === 'laboratory') findings.laboratory.push({ targetName, ...firmware });
    else if (firmware.outcome === 'read') listed.add({ ...artifact, tags: firmware.tags });
    else {
      findings.unreadable.push({ targetName, reason: firmware.reason });
      listed.add(artifact);
    }
  };

  return {
    async read(artifact: ReleaseArtifact): Promise<void> {
      const { kind = '' } = artifact.tags;
      const role = FIRMWARE_KINDS.get(kind);
      if (isComposite(artifact.tags)) await readComposite(artifact);
      else if (role !== undefined) await readImage(artifact, role);
      else if (kind === CORPUS_KIND) listed.add({ ...artifact, tags: { kind } });
      else if (kind === INSTALLINATOR_KIND) document = artifact;
      else {
        if (!WHOLE_KINDS.has(kind)) unknownKinds.push(artifact);
        listed.add(artifact);
      }
    },
    finish() {
      const artifacts = [...listed.artifacts];
      if (document !== undefined) {
        const made = makeInstallinatorDocument(document, artifacts, { prefixUnitBytes });
        const { entryName } = locate(document.targetName);
        composites.push({
          ...{ artifact: document, entryName, parts: [made.document], ignored: [] },
          content: made.content,
        });
        artifacts.push(made.document);
        if (made.prefixes !== undefined) prefixesOf.set(made.document.sha256, made.prefixes);
      }
      return { artifacts, composites, prefixesOf, unknownKinds, findings };
    },
  };
};

/** CM4. */
const createList = () => {
  const artifacts: ReleaseArtifact[] = [];
  const known = new Map<string, ReleaseArtifact>();
  const findings: FirmwareFindings = { unreadable: [], laboratory: [], merged: [] };
  return {
    artifacts,
    findings,
    add(artifact: ReleaseArtifact): void {
      if (MERGED_KINDS.has(artifact.tags.kind ?? '')) {
        const key = JSON.stringify([artifact.sha256, Object.entries(artifact.tags).sort()]);
        const other = known.get(key);
        if (other !== undefined) {
          findings.merged.push({ targetName: artifact.targetName, other: other.targetName });
          return;
        }
        known.set(key, artifact);
      }
      artifacts.push(artifact);
    },
  };
};

const MERGED_KINDS: ReadonlySet<string> = new Set(['sp', 'rot', 'rot_bootloader', 'zone']);
