/**
 * Which prefix digests the database keeps.
 *
 * RPX1. Only those of wanted artifacts: they end with the last present release that lists the artifact, and an upload brings them back.
 * RPX2. Those of the latest upload count: its bytes were hashed last, and nobody signs them, so that a wrong one is replaced. An upload
 *      without any leaves what is recorded.
 */
import type { ArtifactHash } from '../../../core/ids.ts';
import { fitSize, type PrefixDigests } from '../../../core/prefix-digests.ts';
import type { NewRelease } from '../ports/release-port.ts';

/** Those of an upload that can belong to an artifact of it. */
export const prefixesToRecord = ({
  description,
  prefixesOf,
}: Pick<NewRelease, 'description' | 'prefixesOf'>): ReadonlyMap<ArtifactHash, PrefixDigests> =>
  new Map(
    description.artifacts.flatMap(({ sha256, sizeBytes }) => {
      const prefixes = prefixesOf.get(sha256);
      return prefixes !== undefined && fitSize(prefixes, sizeBytes) ? [[sha256, prefixes] as const] : [];
    }),
  );

/** The artifacts whose prefix digests end (RPX1). */
export const noLongerWanted = (
  before: Iterable<ArtifactHash>,
  after: ReadonlySet<ArtifactHash>,
): readonly ArtifactHash[] => [...before].filter(sha256 => !after.has(sha256));
