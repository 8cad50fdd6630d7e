/**
 * How fast a release archive is verified, against `openssl dgst -sha256` over the same file; and how fast the
 * archive reader alone is, for stored and for deflated entries.
 *
 *     bin/node24 bench/verify.ts [rounds] [entryMiB] [entries]
 *
 * Both contenders alternate, with a page cache that is warm for both, and the median of the ratios of the rounds
 * counts: absolute figures follow the load of the machine, ratios of neighbours do so less. The longest time for
 * which the caller's event loop stood still meanwhile is measured beside it.
 */
import { execFile } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { openArchive } from '../src/archive/archive.ts';
import { createArchiveWriter } from '../src/archive/writer.ts';
import { openRandomAccessFile } from '../src/lib/random-access-file.ts';
import { assembleRelease } from '../src/signing/assemble.ts';
import { keysForAllRoles } from '../src/signing/sign-metadata.ts';
import { generateSigningKey } from '../src/signing/signing-keys.ts';
import { verifyRelease } from '../src/verify/verify-release.ts';

const MIB = 1024 ** 2;
const [rounds = 5, entryMib = 64, entryCount = 16] = process.argv.slice(2).map(Number);
const signal = new AbortController().signal;

/** Bytes that no compressor makes smaller, from a key stream: random numbers would take longer. */
const writeNoise = async (path: string, sizeBytes: number, seed: number): Promise<void> => {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  const zeros = Buffer.alloc(MIB);
  await using file = await open(path, 'w');
  for (let written = 0; written < sizeBytes; written += MIB) {
    await file.write(cipher.update(zeros.subarray(0, Math.min(MIB, sizeBytes - written))));
  }
};

const makeRelease = async (folder: string, sizesBytes: readonly number[]) => {
  const artifacts = [];
  for (const [index, sizeBytes] of sizesBytes.entries()) {
    const path = join(folder, `artifact-${index}`);
    await writeNoise(path, sizeBytes, index);
    const tags = { kind: 'zone', zone_name: `bench-${index}` };
    artifacts.push({ path, targetName: `artifact-${index}`, version: '1.0.0', tags });
  }
  const release = await assembleRelease({
    systemVersion: '1.0.0',
    format: 'v2',
    artifacts,
    keys: keysForAllRoles([generateSigningKey()]),
    expiresMs: Date.now() + 86_400_000,
    versions: { timestamp: 1, snapshot: 1, targets: 1 },
    outputPath: join(folder, `release-of-${sizesBytes.length}.zip`),
  });
  for (const { path } of artifacts) await rm(path);
  return release;
};

/** Half of each block is noise, so that it deflates to about one half, as programs do. */
const makeDeflated = async (folder: string): Promise<string> => {
  const noisePath = join(folder, 'noise');
  const sizeBytes = (entryMib * entryCount * MIB) / 4;
  await writeNoise(noisePath, sizeBytes, 255);
  const path = join(folder, 'deflated.zip');
  await using output = await open(path, 'w');
  const writer = createArchiveWriter({
    async write(bytes) {
      await output.writeFile(bytes);
    },
  });
  const content = async function* content() {
    for await (const chunk of createReadStream(noisePath, { highWaterMark: MIB }) as AsyncIterable<Buffer>) {
      for (let block = 0; block < chunk.length; block += 64) chunk.fill(0x20, block, block + 32);
      yield chunk;
    }
  };
  await writer.add({ method: 'deflate', name: 'half', sizeBytes, content: content() });
  await writer.finish();
  await rm(noisePath);
  return path;
};

const secondsOf = async (work: () => unknown): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

const readAll = async (path: string): Promise<number> => {
  await using file = await openRandomAccessFile(path);
  const archive = await openArchive(file);
  let bytes = 0;
  for (const entry of archive.entries.values()) {
    for await (const chunk of archive.read(entry)) bytes += chunk.length;
  }
  return bytes;
};

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const rate = (bytes: number, seconds: number): string =>
  `${Math.round(bytes / MIB / seconds)} MiB/s`.padStart(11);

const folder = await mkdtemp(join(tmpdir(), 'tuf-depot-bench-'));
try {
  const { path, trustRoot } = await makeRelease(folder, Array<number>(entryCount).fill(entryMib * MIB));
  const { size } = await stat(path);
  const verify = (release: { path: string; trustRoot: Uint8Array }) =>
    verifyRelease(
      release.path,
      { trustRoots: [{ id: 'bench', bytes: release.trustRoot }], nowMs: Date.now() },
      { signal },
    );
  const contenders = {
    openssl: () => promisify(execFile)('openssl', ['dgst', '-sha256', path]),
    verify: () => verify({ path, trustRoot }),
  };
  console.log(`${entryCount} stored entries of ${entryMib} MiB, Node ${process.version}, ${rounds} rounds`);
  await contenders.openssl();
  const ratios: number[] = [];
  const delaysMs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? (['openssl', 'verify'] as const) : (['verify', 'openssl'] as const);
    const seconds = { openssl: 0, verify: 0 };
    for (const name of order) {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      seconds[name] = await secondsOf(contenders[name]);
      if (name === 'verify') delaysMs.push(delay.max / 1e6);
      delay.disable();
    }
    ratios.push(seconds.openssl / seconds.verify);
    const speeds = `openssl ${rate(size, seconds.openssl)}   verify ${rate(size, seconds.verify)}`;
    console.log(`round ${round + 1}: ${speeds}   ratio ${(seconds.openssl / seconds.verify).toFixed(2)}`);
  }
  console.log(`verify / openssl, median of ${rounds}: ${median(ratios).toFixed(2)}`);

  const tiny = await makeRelease(folder, [1]);
  const startSeconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) startSeconds.push(await secondsOf(() => verify(tiny)));
  console.log(
    `of which, as for a release of one byte: ${Math.round(median(startSeconds) * 1000)} ms, median of ${rounds}`,
  );
  console.log(
    `longest delay of the caller's event loop, median of ${rounds}: ${median(delaysMs).toFixed(1)} ms`,
  );

  const deflated = await makeDeflated(folder);
  for (const [what, archivePath] of [
    ['stored', path],
    ['deflated', deflated],
  ] as const) {
    const speeds: number[] = [];
    let bytes = 0;
    for (let round = 0; round < rounds; round += 1) {
      speeds.push(
        await secondsOf(async () => {
          bytes = await readAll(archivePath);
        }),
      );
    }
    console.log(
      `archive reader with CRC-32, ${what}: ${rate(bytes, median(speeds))} of content, median of ${rounds}`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
