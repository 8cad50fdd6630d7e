/** A fetched release as an ordinary archive: bytes front to back, produced on demand. */
import { createReadStream } from 'node:fs';
import { crc32 } from 'node:zlib';
import { METADATA_FOLDER, TARGETS_FOLDER } from '../archive/release-folders.ts';
import { createArchiveWriter } from '../archive/writer.ts';
import { storedFileNames } from '../tuf/role-names.ts';
import type { FetchedRelease } from './fetch-repository.ts';

const CHUNK_BYTES = 1024 * 1024;

/** The reader owns the chunks. Throws if a target cannot be read, or has changed since the fetch. */
export async function* archiveOf(
  { metadata, targets }: FetchedRelease,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<Uint8Array, void, void> {
  // One chunk at a time goes from the writer to the reader: neither gets ahead of the other.
  let given = Promise.withResolvers<Uint8Array | undefined>();
  let taken = Promise.withResolvers<void>();
  const writer = createArchiveWriter({
    async write(bytes) {
      signal.throwIfAborted();
      given.resolve(Uint8Array.from(bytes));
      await taken.promise;
    },
  });
  const write = async (): Promise<void> => {
    const stored = storedFileNames(metadata.keys());
    for (const [name, bytes] of metadata) {
      const content = { sizeBytes: bytes.length, crc32: crc32(bytes), content: [bytes] };
      await writer.add({
        method: 'stored',
        name: `${METADATA_FOLDER}${stored.get(name) ?? name}`,
        ...content,
      });
    }
    for (const [name, target] of targets) {
      const { sizeBytes, crc32: checksum, path } = target;
      const content = createReadStream(path, { highWaterMark: CHUNK_BYTES, signal });
      await writer.add({
        method: 'stored',
        name: `${TARGETS_FOLDER}${name}`,
        sizeBytes,
        crc32: checksum,
        content,
      });
    }
    await writer.finish();
  };
  const writing = write();
  writing.then(
    () => given.resolve(undefined),
    (error: unknown) => {
      given.promise.catch(() => undefined); // the reader may have stopped
      given.reject(error);
    },
  );
  try {
    for (;;) {
      const chunk = await given.promise;
      if (chunk === undefined) return;
      given = Promise.withResolvers();
      yield chunk;
      const passed = taken;
      taken = Promise.withResolvers();
      passed.resolve();
    }
  } finally {
    // A reader that stops early ends the writer with it.
    taken.promise.catch(() => undefined);
    taken.reject(new Error('the archive is no longer needed'));
    await writing.catch(() => undefined);
  }
}
