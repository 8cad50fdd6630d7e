/**
 * Trusted metadata as files of a directory: `root.json`, `timestamp.json`, `snapshot.json`, `targets.json` and the
 * delegated roles beside them, without versions in their names. Each is replaced whole, and byte for byte as it came.
 *
 * One process at a time may use the directory: two could store their files in the wrong order.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporaryFiles, unlinkDurably, writeFileDurably } from '../lib/durable-file.ts';
import { systemErrorCode } from '../lib/errors.ts';
import { acquireExclusiveLock } from '../lib/exclusive-lock.ts';
import { MAX_METADATA_BYTES } from '../tuf/metadata.ts';
import type { MetadataStore } from '../tuf/repository.ts';
import { metadataFileName } from '../tuf/role-names.ts';

export type MetadataDirectory = MetadataStore & AsyncDisposable;

/**
 * Opens a directory that exists.
 *
 * @throws DepotError `IN_USE_BY_PROCESS`
 */
export const openMetadataDirectory = async (directory: string): Promise<MetadataDirectory> => {
  const lock = await acquireExclusiveLock(directory);
  await removeTemporaryFiles(directory);
  const pathOf = (role: string): string => join(directory, metadataFileName(role));
  return {
    read: role => readBounded(pathOf(role)),
    write: (role, bytes) => writeFileDurably(pathOf(role), bytes),
    remove: role => unlinkDurably(pathOf(role)),
    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
  };
};

/** Undefined for a file longer than any metadata: it was not stored by this program. */
const readBounded = async (path: string): Promise<Uint8Array | undefined> => {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    return size > MAX_METADATA_BYTES.targets ? undefined : await file.readFile();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
};
