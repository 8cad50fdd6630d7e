/**
 * The artifacts of verified archives, each readable at any position.
 *
 *     archive ─▶ stored entry: in place │ deflated entry, part of a composite: spooled ─▶ artifacts by hash
 *
 * SDA1. The spool is one file without a name: it is gone with the process, however that ends.
 * SDA2. Every spooled byte is hashed while it is written; what is not what was verified is an error.
 * SDA3. Of an artifact in several archives the first one serves.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Archive, openArchive } from '../archive/archive.ts';
import type { ArchiveEntry } from '../archive/content.ts';
import { ALREADY_ACCEPTED } from '../archive/limits.ts';
import type { RandomAccessFile } from '../archive/random-access.ts';
import type { ArtifactHash } from '../core/ids.ts';
import type { DiskFile } from '../lib/disk.ts';
import { DepotError } from '../lib/errors.ts';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { namingFull, privateDisk } from '../lib/real-disk.ts';
import { requireEntry } from '../lib/require-entry.ts';
import { extractParts } from '../verify/extract-parts.ts';
import type { VerifiedRelease } from '../verify/verified-release.ts';

export type ServedArtifact = {
  readonly sizeBytes: number;
  /** Fills `target` from `position` as far as the artifact goes; resolves with the number of bytes. */
  readonly read: (target: Uint8Array, position: number) => Promise<number>;
};

export type ServedArtifacts = AsyncDisposable & {
  readonly artifacts: ReadonlyMap<ArtifactHash, ServedArtifact>;
  /** @throws `NO_SPACE` of the temporary directory, `ARCHIVE_DAMAGED`, `IO`; the signal's reason */
  readonly add: (path: string, release: VerifiedRelease) => Promise<void>;
};

export const openServedArtifacts = async ({
  signal,
}: {
  readonly signal: AbortSignal;
}): Promise<ServedArtifacts> => {
  await using stack = new AsyncDisposableStack();
  const { written, read } = await openUnnamedFile();
  for (const file of [written, read]) stack.defer(file.close);
  const spool = createSpool(written, read);
  const artifacts = new Map<ArtifactHash, ServedArtifact>();

  const addEntries = async (archive: Archive, file: RandomAccessFile, release: VerifiedRelease) => {
    for (const [sha256, { entryName }] of release.entries) {
      if (artifacts.has(sha256)) continue;
      const entry = requireEntry(archive.entries, entryName, 'the entry of the artifact');
      if (entry.method === 'stored') artifacts.set(sha256, span(file, entry.dataOffset, entry.sizeBytes));
      else await spoolEntry(archive, entry, sha256);
    }
  };
  const spoolEntry = async (archive: Archive, entry: ArchiveEntry, sha256: ArtifactHash) => {
    const hash = createHash('sha256');
    for await (const chunk of archive.read(entry, { signal, checksum: false })) {
      hash.update(chunk);
      await spool.write(chunk);
    }
    if (hash.digest('hex') !== sha256)
      throw new DepotError('ARCHIVE_DAMAGED', `the entry ${entry.name} changed after it was verified`);
    artifacts.set(sha256, spool.end(entry.sizeBytes));
  };
  const addParts = async (archive: Archive, { composites }: VerifiedRelease) => {
    for (const composite of composites)
      await extractParts(archive, composite, {
        sink: {
          write: spool.write,
          end({ sha256, sizeBytes }) {
            const part = spool.end(sizeBytes);
            if (!artifacts.has(sha256)) artifacts.set(sha256, part);
          },
        },
        limits: ALREADY_ACCEPTED,
        signal,
      });
  };

  const files = stack.move();
  return {
    artifacts,
    async add(path, release) {
      const file = files.use(await openRandomAccessFile(path));
      const archive = await openArchive(file, { limits: ALREADY_ACCEPTED });
      await addEntries(archive, file, release);
      await addParts(archive, release);
    },
    [Symbol.asyncDispose]: () => files.disposeAsync(),
  };
};

const span = (file: Pick<RandomAccessFile, 'read'>, start: number, sizeBytes: number): ServedArtifact => ({
  sizeBytes,
  read: (target, position) =>
    file.read(target.subarray(0, Math.max(0, sizeBytes - position)), start + position),
});

/** Artifacts one after the other. */
const createSpool = (written: DiskFile, file: DiskFile) => {
  let position = 0;
  return {
    async write(chunk: Uint8Array): Promise<void> {
      await written.write(chunk, position).catch((cause: unknown) => {
        throw new DepotError(
          'NO_SPACE',
          `cannot write to the temporary directory ${tmpdir()}, which takes what is compressed in the archives; ` +
            'set TMPDIR to a directory with room for it',
          { cause },
        );
      });
      position += chunk.length;
    },
    end: (sizeBytes: number): ServedArtifact => span(file, position - sizeBytes, sizeBytes),
  };
};

/** SDA1. A new file can be written only, so it is opened twice. */
const openUnnamedFile = (): Promise<{ readonly written: DiskFile; readonly read: DiskFile }> =>
  namingFull(tmpdir(), async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-serve-'));
    const path = join(directory, 'artifacts');
    try {
      const written = await privateDisk.createFile(path);
      return { written, read: await privateDisk.openFile(path) };
    } finally {
      await rm(directory, { recursive: true });
    }
  });
