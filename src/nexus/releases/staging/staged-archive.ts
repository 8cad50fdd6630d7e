/**
 * An archive in the staging directory, and the sidecar that describes it (P4).
 *
 * SA1. The sidecar is durable before the database can know the upload, so every archive of this Nexus that the database lists
 *      can be served after a restart without another verification.
 * SA2. `acknowledged`: the database had the upload. If it does not know such an archive, it has lost it, and the bytes may be
 *      the only ones.
 * SA3. `dropping`: set before the transaction that removes the row, so that an archive without a row, but with a release that
 *      the database knows, counts as dropped and is not recorded again.
 */
import { z } from 'zod';
import { ArtifactHash, HashKind, RepoId, SystemVersion, UploadId } from '../../../core/ids.ts';
import type { Disk } from '../../../lib/disk.ts';
import { readFileWhole, writeFileDurably } from '../../../lib/durable-file.ts';
import { DepotError } from '../../../lib/errors.ts';

/** Where an artifact is: an entry of the archive, or a part of a composite one, beside it. */
export type StagedArtifact =
  | { readonly sizeBytes: number; readonly entryName: string }
  | { readonly sizeBytes: number; readonly partOffset: number };

export const hasParts = ({ artifacts }: Pick<StagedArchive, 'artifacts'>): boolean =>
  artifacts.values().some(artifact => 'partOffset' in artifact);

export type StagedArchive = {
  readonly uploadId: UploadId;
  readonly repoId: RepoId;
  readonly systemVersion: SystemVersion;
  readonly fileName: string;
  /** SHA-256 of the archive, in hex. */
  readonly archiveHash: string;
  /** What identifies the release: its archive, or its signed targets if it was fetched (S18). */
  readonly hashKind: HashKind;
  /** The overrides. */
  readonly overrides: readonly string[];
  readonly artifacts: ReadonlyMap<ArtifactHash, StagedArtifact>;
  readonly acknowledged: boolean;
  readonly dropping: boolean;
};

const ByteCount = z.number().int().min(0);

const Sidecar = z.object({
  format: z.literal(1),
  upload_id: UploadId,
  repo_id: RepoId,
  system_version: SystemVersion,
  file_name: z.string(),
  archive_sha256: ArtifactHash,
  hash_kind: HashKind.default('archive'),
  overrides: z.array(z.string()),
  acknowledged: z.boolean(),
  dropping: z.boolean(),
  artifacts: z.record(
    ArtifactHash,
    z.union([
      z.object({ size_bytes: ByteCount, entry: z.string() }),
      z.object({ size_bytes: ByteCount, part_offset: ByteCount }),
    ]),
  ),
});

/** Twice that of a release of 100,000 artifacts, the most that a config lists. */
const MAX_SIDECAR_BYTES = 64 * 2 ** 20;

type On = { readonly disk: Disk };

export const writeSidecar = (path: string, archive: StagedArchive, { disk }: On): Promise<void> => {
  const sidecar = {
    format: 1,
    upload_id: archive.uploadId,
    repo_id: archive.repoId,
    system_version: archive.systemVersion,
    file_name: archive.fileName,
    archive_sha256: archive.archiveHash,
    hash_kind: archive.hashKind,
    overrides: archive.overrides,
    acknowledged: archive.acknowledged,
    dropping: archive.dropping,
    artifacts: Object.fromEntries(
      Array.from(archive.artifacts, ([sha256, artifact]) => [
        sha256,
        {
          size_bytes: artifact.sizeBytes,
          ...('entryName' in artifact ? { entry: artifact.entryName } : { part_offset: artifact.partOffset }),
        },
      ]),
    ),
  };
  return writeFileDurably(path, `${JSON.stringify(sidecar, undefined, 1)}\n`, { disk });
};

/** Undefined when there is none. Throws `STAGING_DAMAGED` if this version cannot read it. */
export const readSidecar = async (path: string, { disk }: On): Promise<StagedArchive | undefined> => {
  const text = await readFileWhole(path, { disk, maxBytes: MAX_SIDECAR_BYTES });
  if (text === undefined) return undefined;
  const sidecar = parseSidecar(text, path);
  return {
    uploadId: sidecar.upload_id,
    repoId: sidecar.repo_id,
    systemVersion: sidecar.system_version,
    fileName: sidecar.file_name,
    archiveHash: sidecar.archive_sha256,
    hashKind: sidecar.hash_kind,
    overrides: sidecar.overrides,
    acknowledged: sidecar.acknowledged,
    dropping: sidecar.dropping,
    artifacts: new Map(
      Object.entries(sidecar.artifacts).map(([sha256, artifact]) => [
        ArtifactHash.parse(sha256),
        {
          sizeBytes: artifact.size_bytes,
          ...('entry' in artifact ? { entryName: artifact.entry } : { partOffset: artifact.part_offset }),
        },
      ]),
    ),
  };
};

const parseSidecar = (text: string, path: string): z.infer<typeof Sidecar> => {
  try {
    return Sidecar.parse(JSON.parse(text));
  } catch (error) {
    throw new DepotError('STAGING_DAMAGED', `${path} is not a valid sidecar`, { cause: error });
  }
};
