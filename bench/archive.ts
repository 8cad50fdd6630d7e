/**
 * How fast the archive reader is beside yauzl, for stored and for deflated entries, each piped to nowhere and to
 * SHA-256 as a verification does.
 *
 *     bin/node24 bench/archive.ts [rounds] [entryMiB] [entries]
 *
 * The two are not asked for the same: this reader checks the CRC-32 of all content, local headers, overlaps and
 * duplicate names; yauzl leaves these to its user. What the CRC-32 alone costs is measured beside them, so that the
 * figures can be compared. Contenders alternate on a warm page cache; the median of the rounds counts.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { openArchive } from '../src/archive/archive.ts';
import { createArchiveWriter } from '../src/archive/writer.ts';
import { openRandomAccessFile } from '../src/lib/random-access-file.ts';

/** What is used of yauzl, which has no types. */
type YauzlFile = {
  readonly on: (event: 'entry' | 'end' | 'error', listener: (value: never) => void) => void;
  readonly readEntry: () => void;
  readonly openReadStream: (entry: unknown, done: (error: Error | null, stream: Readable) => void) => void;
};
type Yauzl = {
  readonly open: (
    path: string,
    options: { lazyEntries: true },
    done: (error: Error | null, file: YauzlFile) => void,
  ) => void;
};
const yauzl = createRequire(import.meta.url)('yauzl') as Yauzl;

const MIB = 1024 ** 2;
const [rounds = 5, entryMib = 64, entryCount = 8] = process.argv.slice(2).map(Number);

type Use = (chunk: Uint8Array) => void;
type Reader = (path: string, use: Use) => Promise<number>;

const ours: Reader = async (path, use) => {
  await using file = await openRandomAccessFile(path);
  const archive = await openArchive(file);
  let bytes = 0;
  for (const entry of archive.entries.values()) {
    for await (const chunk of archive.read(entry)) {
      use(chunk);
      bytes += chunk.length;
    }
  }
  return bytes;
};

const theirs: Reader = (path, use) => {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let bytes = 0;
  yauzl.open(path, { lazyEntries: true }, (error, file) => {
    if (error) return reject(error);
    file.on('error', reject as (value: never) => void);
    file.on('end', () => resolve(bytes));
    file.on('entry', entry => {
      file.openReadStream(entry, (failed, stream) => {
        if (failed) return reject(failed);
        stream.on('error', reject);
        stream.on('data', (chunk: Uint8Array) => {
          use(chunk);
          bytes += chunk.length;
        });
        stream.on('end', () => file.readEntry());
      });
    });
    file.readEntry();
  });
  return promise;
};

/** The check that yauzl leaves out, on top of it. */
const theirsWithCrc: Reader = async (path, use) => {
  let checksum = 0;
  return theirs(path, chunk => {
    checksum = crc32(chunk, checksum);
    use(chunk);
  });
};

const contenders = { ours, yauzl: theirs, 'yauzl + CRC-32': theirsWithCrc } as const;
type Name = keyof typeof contenders;

/** Half of each block is noise in deflated entries, so that they shrink to about one half, as programs do. */
async function* content(seed: number, half: boolean): AsyncGenerator<Uint8Array> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  const zeros = Buffer.alloc(MIB);
  for (let mib = 0; mib < entryMib; mib += 1) {
    const chunk = cipher.update(zeros);
    if (half) for (let block = 0; block < chunk.length; block += 64) chunk.fill(0x20, block, block + 32);
    yield chunk;
  }
}

const makeArchive = async (path: string, method: 'stored' | 'deflate'): Promise<void> => {
  await using output = await open(path, 'w');
  const writer = createArchiveWriter({
    async write(bytes) {
      await output.writeFile(bytes);
    },
  });
  for (let index = 0; index < entryCount; index += 1) {
    const entry = { name: `entry-${index}`, sizeBytes: entryMib * MIB };
    if (method === 'deflate') await writer.add({ ...entry, method, content: content(index, true) });
    else {
      let checksum = 0;
      for await (const chunk of content(index, false)) checksum = crc32(chunk, checksum);
      await writer.add({ ...entry, method, crc32: checksum, content: content(index, false) });
    }
  }
  await writer.finish();
};

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const measure = async (path: string, what: string, makeUse: () => Use): Promise<void> => {
  const names = Object.keys(contenders) as Name[];
  const rates = new Map<Name, number[]>(names.map(name => [name, []]));
  for (const name of names) await contenders[name](path, makeUse());
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const start = performance.now();
      const bytes = await contenders[name](path, makeUse());
      rates.get(name)!.push(bytes / MIB / ((performance.now() - start) / 1000));
    }
  }
  const own = rates.get('ours')!;
  const line = names.map(name => {
    const ratio = median(rates.get(name)!.map((rate, round) => own[round]! / rate));
    const rate = `${Math.round(median(rates.get(name)!))}`.padStart(5);
    return `${name} ${rate} MiB/s${name === 'ours' ? '' : ` (ours ${ratio.toFixed(2)} times)`}`;
  });
  console.log(`${what.padEnd(20)} ${line.join('   ')}`);
};

const folder = await mkdtemp(join(tmpdir(), 'tuf-depot-bench-'));
try {
  console.log(
    `${entryCount} entries of ${entryMib} MiB, Node ${process.version}, median of ${rounds} rounds`,
  );
  for (const method of ['stored', 'deflate'] as const) {
    const path = join(folder, `${method}.zip`);
    await makeArchive(path, method);
    await measure(path, method, () => () => undefined);
    await measure(path, `${method}, to SHA-256`, () => {
      const hash = createHash('sha256');
      return chunk => hash.update(chunk);
    });
    await rm(path);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
