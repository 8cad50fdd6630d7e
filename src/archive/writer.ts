/**
 * Writes ZIP archives front to back, for a sink that is passed in: nothing written is ever changed.
 *
 * ZW1. The same entries in the same order give the same bytes: no clock, no owner, no machine in them.
 * ZW2. The reader opens everything that the writer wrote: names are checked by the same rules, and content that differs
 *      from its header is an error before the archive is finished.
 */

import { crc32, createDeflateRaw, deflateRawSync } from 'node:zlib';
import { quoted } from '../lib/shown-text.ts';
import {
  encodeCentralHeader,
  encodeDescriptor,
  encodeEndRecords,
  encodeLocalHeader,
  type WrittenEntry,
} from './encode.ts';
import { FLAG, SENTINEL_32 } from './format.ts';
import { createNameRegister } from './names.ts';
import { damaged } from './refusal.ts';

/** The target of the archive. The writer may reuse a chunk once the promise resolves. */
export type ArchiveSink = { readonly write: (bytes: Uint8Array) => Promise<void> };

/** One pull of content at a time: a chunk is free once the next one is pulled. */
type EntryContent = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

type NewEntry =
  | {
      readonly method: 'stored';
      readonly name: string;
      readonly sizeBytes: number;
      /** Known beforehand, so that the header before the data can have it. */
      readonly crc32: number;
      readonly content: EntryContent;
    }
  | {
      readonly method: 'deflate';
      readonly name: string;
      readonly sizeBytes: number;
      readonly content: EntryContent;
    };

export type ArchiveWriter = {
  /** Appends an entry. Throws `ARCHIVE_DAMAGED` when the content is not as announced; the archive is then lost. */
  readonly add: (entry: NewEntry) => Promise<void>;
  /** Appends a small entry that is in memory, deflated. */
  readonly addBytes: (name: string, bytes: Uint8Array) => Promise<void>;
  /** Writes the central directory; returns the size of the archive in bytes. The sink stays the caller's. */
  readonly finish: () => Promise<number>;
};

/** Deflate never adds more than this to what it cannot compress: five bytes a block of 16 KiB, rounded up. */
const DEFLATE_OVERHEAD = 1.001;
const DEFLATE_OVERHEAD_BYTES = 64;

export const createArchiveWriter = (sink: ArchiveSink): ArchiveWriter => {
  const output = createOutput(sink);
  const names = createNameRegister();
  const entries: WrittenEntry[] = [];

  const begin = (name: string): Place => {
    names.add(name);
    const nameBytes = new TextEncoder().encode(name);
    const isAscii = nameBytes.length === name.length;
    return { nameBytes, headerOffset: output.position(), flags: isAscii ? 0 : FLAG.utf8 };
  };

  return {
    async add(entry) {
      const place = begin(entry.name);
      const write =
        entry.method === 'stored' ? writeStored(output, place, entry) : writeDeflated(output, place, entry);
      entries.push(await write);
    },
    async addBytes(name, bytes) {
      entries.push(await writeBytes(output, begin(name), bytes));
    },
    async finish() {
      const offset = output.position();
      for (const entry of entries) await output.write(encodeCentralHeader(entry));
      const sizeBytes = output.position() - offset;
      await output.write(encodeEndRecords({ entryCount: entries.length, offset, sizeBytes }));
      return output.position();
    },
  };
};

type Output = ReturnType<typeof createOutput>;

/** A sink that counts its bytes. */
const createOutput = (sink: ArchiveSink) => {
  let position = 0;
  return {
    position: () => position,
    async write(bytes: Uint8Array): Promise<void> {
      await sink.write(bytes);
      position += bytes.length;
    },
  };
};

/** The fields of an entry that do not depend on its content. */
type Place = Pick<WrittenEntry, 'nameBytes' | 'headerOffset' | 'flags'>;

const writeStored = async (
  output: Output,
  place: Place,
  entry: NewEntry & { method: 'stored' },
): Promise<WrittenEntry> => {
  const { method, sizeBytes } = entry;
  const wide = sizeBytes >= SENTINEL_32;
  const written = { ...place, method, crc32: entry.crc32, compressedBytes: sizeBytes, sizeBytes, wide };
  await output.write(encodeLocalHeader(written, { known: true }));
  const tally = createTally(entry);
  for await (const chunk of tally.counted) await output.write(chunk);
  if (tally.crc32() !== entry.crc32) {
    throw damaged(`the content of ${quoted(entry.name)} has another CRC-32 than was announced`);
  }
  return written;
};

const writeDeflated = async (
  output: Output,
  place: Place,
  entry: NewEntry & { method: 'deflate' },
): Promise<WrittenEntry> => {
  const { method, sizeBytes } = entry;
  const wide = sizeBytes * DEFLATE_OVERHEAD + DEFLATE_OVERHEAD_BYTES >= SENTINEL_32;
  const flags = place.flags | FLAG.dataDescriptor;
  const announced = { ...place, method, flags, crc32: 0, compressedBytes: 0, sizeBytes, wide };
  await output.write(encodeLocalHeader(announced, { known: false }));
  const dataStart = output.position();
  const tally = createTally(entry);
  for await (const chunk of deflate(tally.counted)) await output.write(chunk);
  const written = { ...announced, crc32: tally.crc32(), compressedBytes: output.position() - dataStart };
  await output.write(encodeDescriptor(written, { signed: true, wide }));
  return written;
};

const writeBytes = async (output: Output, place: Place, bytes: Uint8Array): Promise<WrittenEntry> => {
  const compressed = deflateRawSync(bytes);
  const numbers = { crc32: crc32(bytes), compressedBytes: compressed.length, sizeBytes: bytes.length };
  const written: WrittenEntry = { ...place, ...numbers, method: 'deflate', wide: false };
  await output.write(encodeLocalHeader(written, { known: true }));
  await output.write(compressed);
  return written;
};

/** Counts content and computes its CRC-32 as it passes; fails if its length is not the announced one. */
const createTally = (entry: NewEntry) => {
  let sizeBytes = 0;
  let checksum = 0;
  const wrongLength = (actual: string) =>
    damaged(`the content of ${quoted(entry.name)} has ${actual} bytes, ${entry.sizeBytes} were announced`);
  const counted = async function* counted() {
    for await (const chunk of entry.content) {
      sizeBytes += chunk.length;
      if (sizeBytes > entry.sizeBytes) throw wrongLength(`${sizeBytes} or more`);
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
    if (sizeBytes !== entry.sizeBytes) throw wrongLength(`${sizeBytes}`);
  };
  return { counted: counted(), crc32: () => checksum };
};

async function* deflate(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const engine = createDeflateRaw();
  const feed = async () => {
    for await (const chunk of content) {
      await new Promise<void>((resolve, reject) =>
        engine.write(chunk, error => (error ? reject(error) : resolve())),
      );
    }
    engine.end();
  };
  const feeding = feed().catch((error: unknown) => {
    engine.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const chunk of engine) yield chunk as Uint8Array;
  } finally {
    engine.destroy();
    await feeding;
  }
}
