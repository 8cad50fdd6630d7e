/**
 * The composite artifacts of a verified release, replaced by their parts.
 *
 *     description ─▶ each composite: split, hashed ─▶ description of what sleds hold
 *
 * CM1. Only format v1 has composites; files of a v2 or plain release stay whole.
 * CM2. The parts take the place of their composite. The rules of a release (DO2, DO3) apply to the list with the parts.
 * CM3. Nothing is written: a caller extracts the parts with {@link splitComposite}, and gets the same ones.
 */
import { ARCHIVE_LIMITS, type ArchiveLimits } from '../archive/limits.ts';
import { overLimit } from '../archive/refusal.ts';
import { WHOLE_KINDS } from '../composite/kinds.ts';
import { isComposite, splitComposite } from '../composite/split.ts';
import type { ReleaseArtifact, ReleaseDescription } from '../core/release.ts';
import { requireConsistentArtifacts } from '../tuf/release-description.ts';
import type { VerifiedComposite } from './verified-release.ts';

export type SplitRelease = {
  readonly description: ReleaseDescription;
  readonly composites: readonly VerifiedComposite[];
  /** Artifacts of a kind that this version does not know, and so does not split. */
  readonly unknownKinds: readonly ReleaseArtifact[];
};

export const hasComposites = ({ format, artifacts }: ReleaseDescription): boolean =>
  format === 'v1' && artifacts.some(({ tags }) => isComposite(tags));

/**
 * @param locate where the bytes of a target are
 * @throws DepotError as `splitComposite` does; `RELEASE_DOCUMENT_INVALID` if two parts cannot be told apart
 */
export const splitComposites = async (
  description: ReleaseDescription,
  locate: (targetName: string) => {
    readonly entryName: string;
    readonly content: () => AsyncIterable<Uint8Array>;
  },
  options: { readonly limits?: Partial<ArchiveLimits> | undefined } = {},
): Promise<SplitRelease> => {
  if (description.format !== 'v1') return { description, composites: [], unknownKinds: [] };
  const limits = { ...ARCHIVE_LIMITS, ...options.limits };
  const artifacts: ReleaseArtifact[] = [];
  const composites: VerifiedComposite[] = [];
  let totalBytes = 0;
  for (const artifact of description.artifacts) {
    if (!isComposite(artifact.tags)) {
      artifacts.push(artifact);
      continue;
    }
    const { entryName, content } = locate(artifact.targetName);
    const { parts, ignored } = await splitComposite(artifact, content(), { limits });
    totalBytes += parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (totalBytes > limits.maxTotalBytes)
      throw overLimit(
        'the size of all parts of composite artifacts in bytes',
        totalBytes,
        limits.maxTotalBytes,
      );
    artifacts.push(...parts);
    composites.push({ artifact, entryName, parts, ignored });
  }
  requireConsistentArtifacts(artifacts);
  const unknownKinds = artifacts.filter(
    ({ tags }) => tags.v1_kind === undefined && !WHOLE_KINDS.has(tags.kind ?? ''),
  );
  return { description: { ...description, artifacts }, composites, unknownKinds };
};
