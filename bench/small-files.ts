/**
 * How fast a sled stores many small artifacts on two datasets, several at once, each durable before it counts, against a plain
 * loop that writes the same files one after the other: write, fsync, rename, fsync of the directory. It then prints how many
 * operations of the disk one artifact took on each dataset, and how long the listing of all takes.
 *
 *     bin/node24 bench/small-files.ts [rounds] [artifacts] [writers] [folder]
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArtifactHash, asGeneration } from '../src/core/ids.ts';
import { seededRng } from '../src/core/rng.ts';
import { systemClock } from '../src/lib/clock.ts';
import type { Disk, DiskFile } from '../src/lib/disk.ts';
import { silentLogger } from '../src/lib/log.ts';
import { realDisk } from '../src/lib/real-disk.ts';
import { openStore } from '../src/sled-agent/store/open-store.ts';
import type { ArtifactStore } from '../src/sled-agent/store/store.ts';
import { compare, median } from './ratio.ts';

/** As `src/cli/main.ts` does. */
process.env.UV_THREADPOOL_SIZE ??= '16';

const SIZE_BYTES = 10 * 1024;
const [rounds = 5, count = 2_000, writers = 16] = process.argv.slice(2, 5).map(Number);
const signal = new AbortController().signal;

type Files = readonly { readonly sha256: ArtifactHash; readonly bytes: Uint8Array }[];

const makeFiles = (): Files =>
  Array.from({ length: count }, () => {
    const bytes = randomBytes(SIZE_BYTES);
    return { bytes, sha256: ArtifactHash.parse(createHash('sha256').update(bytes).digest('hex')) };
  });

const emptyDirectories = async (folder: string, name: string): Promise<readonly [string, string]> => {
  const directories = [join(folder, `${name}-a`), join(folder, `${name}-b`)] as const;
  for (const directory of directories) {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
  }
  return directories;
};

/** A store that wants all of the files and has none. */
const emptyStore = async (folder: string, files: Files, disk: Disk): Promise<ArtifactStore> => {
  const store = await openStore(
    {
      directories: await emptyDirectories(folder, 'm2'),
      quotaBytes: 4 * count * SIZE_BYTES,
      minFreeBytes: 0,
      maxArtifactBytes: SIZE_BYTES,
      deletion: { waitMs: 0, limitPercent: 100, limitWaitMs: 0 },
      scrub: { periodMs: 86_400_000, bytesPerSecond: SIZE_BYTES },
    },
    { clock: systemClock, rng: seededRng(1), log: silentLogger, disk },
  );
  const generation = asGeneration(1);
  await store.acceptFloor({ generation, digest: '0'.repeat(64) }, new Map());
  const artifacts = new Map(files.map(({ sha256 }) => [sha256, SIZE_BYTES]));
  await store.offerConfig({ generation, artifacts }, { signal });
  return store;
};

const putAll = async (store: ArtifactStore, files: Files): Promise<void> => {
  const left = files.values();
  const putRest = async (): Promise<void> => {
    for (const { sha256, bytes } of left) {
      await using writer = await store.beginWrite(sha256, asGeneration(1), { expectedSizeBytes: SIZE_BYTES });
      await writer.write(bytes);
      const { successfulWrites } = await writer.commit();
      if (successfulWrites !== 2) throw new Error(`${sha256} is on ${successfulWrites} datasets`);
    }
  };
  await Promise.all(Array.from({ length: writers }, putRest));
};

const writePlainly = async (directory: string, { sha256, bytes }: Files[number]): Promise<void> => {
  const temporary = join(directory, `.tmp-${sha256}`);
  {
    await using file = await open(temporary, 'wx');
    await file.write(bytes);
    await file.datasync();
  }
  await rename(temporary, join(directory, sha256));
  await using names = await open(directory);
  await names.sync();
};

/** A disk that counts its operations, those of its files too. */
const counting = (counts: Map<string, number>): Disk => {
  const wrap = <T extends Disk | DiskFile>(inner: T): T =>
    Object.fromEntries(
      Object.entries(inner).map(([name, operation]: [string, (...args: unknown[]) => Promise<unknown>]) => [
        name,
        async (...args: unknown[]) => {
          counts.set(name, (counts.get(name) ?? 0) + 1);
          const result = await operation(...args);
          return name === 'createFile' || name === 'openFile' ? wrap(result as DiskFile) : result;
        },
      ]),
    ) as T;
  return wrap(realDisk);
};

const printOperations = async (folder: string, files: Files): Promise<void> => {
  const counts = new Map<string, number>();
  await using store = await emptyStore(folder, files, counting(counts));
  counts.clear();
  await putAll(store, files);
  const each = [...counts].map(([name, times]) => `${name} ${(times / 2 / count).toFixed(2)}`).sort();
  console.log(`operations for one artifact on one dataset: ${each.join(', ')}`);
  const startMs = performance.now();
  const { artifacts } = await store.list();
  console.log(`listing of ${artifacts.size}: ${(performance.now() - startMs).toFixed(0)} ms`);
};

const folder = await mkdtemp(join(process.argv[5] ?? tmpdir(), 'bench-small-files-'));
try {
  const files = makeFiles();
  let store: ArtifactStore | undefined;
  let plain: readonly string[] = [];
  const processorMs: number[] = [];
  await compare(
    {
      name: 'sled',
      prepare: async () => {
        await store?.[Symbol.asyncDispose]();
        store = await emptyStore(folder, files, realDisk);
      },
      run: async () => {
        const before = process.cpuUsage();
        if (store !== undefined) await putAll(store, files);
        const { user, system } = process.cpuUsage(before);
        processorMs.push((user + system) / 1e3 / count);
      },
    },
    {
      name: 'plain loop',
      prepare: async () => {
        plain = await emptyDirectories(folder, 'plain');
      },
      run: async () => {
        for (const file of files) for (const directory of plain) await writePlainly(directory, file);
      },
    },
    { rounds, target: 2, speedOf: ms => `${((1e3 * count) / ms).toFixed(0).padStart(5)} artifacts/s` },
  );
  await store?.[Symbol.asyncDispose]();
  console.log(`processor time of the sled for one artifact: ${median(processorMs).toFixed(2)} ms`);
  await printOperations(folder, files);
} finally {
  await rm(folder, { recursive: true });
}
