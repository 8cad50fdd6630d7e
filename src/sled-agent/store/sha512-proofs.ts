/**
 * What this sled knows of the SHA-512 of artifacts, for those of which only that is signed (ADM6).
 *
 *     a write that was hashed both ways, a copy that was read whole ─▶ learned ─▶ the admission compares it with the signed one
 *
 * SHP1. A pair is learned only from bytes whose SHA-256 is the one in question. It holds for all bytes with that SHA-256, so it does not
 *      matter which copy was read, or what happens to the copy.
 * SHP2. Nothing of it is on a disk: after a start the copies are read again, before the sled serves them.
 */
import { createHash } from 'node:crypto';
import type { ArtifactHash } from '../../core/ids.ts';
import type { Disk } from '../../lib/disk.ts';
import type { Logger } from '../../lib/log.ts';
import type { Dataset } from './dataset/dataset.ts';

type Deps = { readonly disk: Disk; readonly datasets: readonly Dataset[]; readonly log: Logger };

export type Sha512Proofs = {
  readonly of: (sha256: ArtifactHash) => string | undefined;
  /** @param sha512 of bytes whose SHA-256 was compared (SHP1) */
  readonly learned: (sha256: ArtifactHash, sha512: string) => void;
  /** Forgets all others. */
  readonly retain: (wanted: ReadonlyMap<ArtifactHash, unknown>) => void;
  /** Reads a copy of each of these that is here and not known yet. */
  readonly read: (wanted: Iterable<ArtifactHash>, options: { readonly signal: AbortSignal }) => Promise<void>;
};

const PIECE_BYTES = 128 * 1024;

export const createSha512Proofs = ({ disk, datasets, log }: Deps): Sha512Proofs => {
  const known = new Map<ArtifactHash, string>();
  const readOne = async (sha256: ArtifactHash, signal: AbortSignal): Promise<void> => {
    for (const dataset of datasets) {
      if (known.has(sha256) || !dataset.isReadable()) continue;
      try {
        const hashes = await hashesOf(disk, dataset.pathOf(sha256), signal);
        if (hashes?.sha256 === sha256) known.set(sha256, hashes.sha512);
      } catch (err) {
        signal.throwIfAborted();
        log.debug({ err, sha256 }, 'no copy for its sha512 could be read');
      }
    }
  };
  return {
    of: sha256 => known.get(sha256),
    learned: (sha256, sha512) => void known.set(sha256, sha512),
    retain(wanted) {
      for (const sha256 of [...known.keys()]) if (!wanted.has(sha256)) known.delete(sha256);
    },
    async read(wanted, { signal }) {
      for (const sha256 of [...wanted]) if (!known.has(sha256)) await readOne(sha256, signal);
    },
  };
};

const hashesOf = async (
  disk: Disk,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly sha256: string; readonly sha512: string } | undefined> => {
  const file = await disk.openFile(path);
  try {
    const sizeBytes = await file.sizeBytes();
    const [sha256, sha512] = [createHash('sha256'), createHash('sha512')];
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, sizeBytes)));
    for (let position = 0; position < sizeBytes; ) {
      signal.throwIfAborted();
      const count = await file.read(piece, position);
      if (count === 0) return undefined;
      for (const hash of [sha256, sha512]) hash.update(piece.subarray(0, count));
      position += count;
    }
    return { sha256: sha256.digest('hex'), sha512: sha512.digest('hex') };
  } finally {
    await file.close().catch(() => undefined);
  }
};
