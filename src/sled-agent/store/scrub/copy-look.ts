/** Reads one copy whole and compares its hash with its name; nothing else is trusted. */
import { createHash } from 'node:crypto';
import type { ArtifactHash } from '../../../core/ids.ts';
import { type Disk, type DiskFile, systemErrorIs } from '../../../lib/disk.ts';
import { messageChain } from '../../../lib/errors.ts';
import type { Pacer } from '../../../lib/pacer.ts';
import type { Dataset } from '../dataset/dataset.ts';

export type CopyLook =
  | { readonly kind: 'good'; readonly sizeBytes: number }
  | { readonly kind: 'gone' }
  | { readonly kind: 'bad'; readonly reason: string };

/** About a hundred microseconds to hash: the event loop runs in between. */
const PIECE_BYTES = 128 * 1024;

/**
 * @param options.pacer absent: as fast as the disk allows
 * @throws an error that says nothing about this file: too many open files, an unavailable dataset
 */
export const lookAtCopy = async (
  disk: Disk,
  dataset: Dataset,
  sha256: ArtifactHash,
  options: { readonly pacer?: Pacer; readonly signal: AbortSignal },
): Promise<CopyLook> => {
  let file: DiskFile;
  try {
    file = await disk.openFile(dataset.pathOf(sha256));
  } catch (error) {
    if (systemErrorIs(error, 'ENOENT')) return { kind: 'gone' };
    if (isUnreadable(error)) return { kind: 'bad', reason: `cannot be opened: ${messageChain(error)}` };
    throw error;
  }
  try {
    return await readWhole(file, sha256, options);
  } catch (error) {
    if (isUnreadable(error)) return { kind: 'bad', reason: `cannot be read: ${messageChain(error)}` };
    throw error;
  } finally {
    await file.close().catch(() => undefined);
  }
};

const readWhole = async (
  file: DiskFile,
  sha256: ArtifactHash,
  { pacer, signal }: { readonly pacer?: Pacer; readonly signal: AbortSignal },
): Promise<CopyLook> => {
  const sizeBytes = await file.sizeBytes();
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, sizeBytes)));
  for (let position = 0; position < sizeBytes; ) {
    signal.throwIfAborted();
    const count = await file.read(piece, position);
    if (count === 0) return { kind: 'bad', reason: `ends at byte ${position} of ${sizeBytes}` };
    hash.update(piece.subarray(0, count));
    position += count;
    await pacer?.passed(count, { signal });
  }
  const actual = hash.digest('hex');
  if (actual === sha256) return { kind: 'good', sizeBytes };
  return { kind: 'bad', reason: `its ${sizeBytes} bytes have the hash ${actual.slice(0, 16)}…` };
};

/** The errors of a disk, or of its file system, for a sector that it cannot read. */
const isUnreadable = (error: unknown): boolean =>
  systemErrorIs(error, 'EIO', 'EBADMSG', 'EUCLEAN', 'EREMOTEIO', 'ENODATA', 'EILSEQ');
