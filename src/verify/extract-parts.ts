/** Extracts the parts of a verified composite artifact from its archive: the ones that were verified, or none. */
import type { Archive } from '../archive/archive.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits } from '../archive/limits.ts';
import { type PartSink, splitComposite } from '../composite/split.ts';
import { DepotError } from '../lib/errors.ts';
import { requireEntry } from '../lib/require-entry.ts';
import type { VerifiedComposite } from './verified-release.ts';

/** @throws `ARCHIVE_DAMAGED` if they are not what was verified; what the sink throws; the signal's reason */
export const extractParts = async (
  archive: Archive,
  { artifact, entryName, parts, content }: VerifiedComposite,
  {
    sink,
    limits,
    signal,
  }: {
    readonly sink: PartSink;
    readonly limits?: Partial<ArchiveLimits> | undefined;
    readonly signal: AbortSignal;
  },
): Promise<void> => {
  if (content !== undefined) {
    await sink.write(content);
    for (const part of parts) sink.end(part);
    return;
  }
  const entry = requireEntry(archive.entries, entryName, 'the entry of the composite');
  const split = await splitComposite(artifact, archive.read(entry, { signal, checksum: false }), {
    limits: { ...ARCHIVE_LIMITS, ...limits },
    sink,
  });
  const differs = split.parts.some(({ sha256 }, index) => sha256 !== parts[index]?.sha256);
  if (differs || split.parts.length !== parts.length)
    throw new DepotError(
      'ARCHIVE_DAMAGED',
      `the artifact ${artifact.targetName} changed after it was verified`,
    );
};
