/**
 * How long a sled takes to verify the metadata of a release of 10,000 artifacts, beside `JSON.parse` of the same bytes; and how long a
 * sled agent with the metadata of 30 of them takes to start. The longest time for which the event loop, and so the Repo Depot, stood
 * still is measured beside it.
 *
 *     bin/node24 bench/bundles.ts [rounds] [targets] [releases]
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { encodeBundle } from '../src/bundle/bundle.ts';
import { judgeApart } from '../src/bundle/judge-apart.ts';
import { SystemVersion } from '../src/core/ids.ts';
import { seededRng } from '../src/core/rng.ts';
import { systemClock } from '../src/lib/clock.ts';
import { silentLogger } from '../src/lib/log.ts';
import { openStore } from '../src/sled-agent/store/open-store.ts';
import { releaseTrust } from '../src/sled-agent/trust/judge-releases.ts';
import { parseChain } from '../src/sled-agent/trust/pinned-chain.ts';
import { createTrust, NO_STATED_TRUST } from '../src/sled-agent/trust/trust.ts';
import { NO_PINS } from '../src/sled-agent/trust/trust-file.ts';
import { makeRepository } from '../src/tuf/repository.fixture.ts';
import { SPECIFIED_SIGNATURES } from '../src/tuf/signature-policy.ts';
import { median } from './ratio.ts';

const [rounds = 5, targetCount = 10_000, releaseCount = 30] = process.argv.slice(2).map(Number);
const { signal } = new AbortController();

const makeBundle = (release: number) => {
  const targets = Array.from(
    { length: targetCount },
    (_, at) => [`artifact-${release}-${at}.bin`, `content ${release} ${at}`] as const,
  );
  const { root, metadata } = makeRepository({ targets: { targets } });
  const texts = [...metadata].map(([name, bytes]) => [name, Buffer.from(bytes).toString()] as const);
  const systemVersion = SystemVersion.parse(`1.${release}.0`);
  const bundle = encodeBundle({ systemVersion, metadata: new Map(texts), unsigned: new Map() });
  if (bundle === undefined) throw new Error('the bundle is too large');
  return { ...bundle, root, systemVersion };
};

const timed = async (work: () => unknown): Promise<number> => {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
};

const standstill = async (work: () => Promise<number>): Promise<{ ms: number; longestMs: number }> => {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const ms = await work();
  delay.disable();
  return { ms, longestMs: delay.max / 1e6 };
};

const first = makeBundle(0);
const trustRoots = [{ id: 'pinned', bytes: first.root }];
const ratios: number[] = [];
console.log(`${targetCount} targets: ${(first.bytes.length / 1e6).toFixed(1)} MB`);
for (let round = 0; round < rounds; round += 1) {
  const parsedMs = await timed(() => JSON.parse(Buffer.from(first.bytes).toString()));
  const { ms, longestMs } = await standstill(() =>
    timed(() => judgeApart(first.bytes, trustRoots, { signatures: SPECIFIED_SIGNATURES, signal })),
  );
  ratios.push(ms / parsedMs);
  console.log(
    `  round ${round + 1}: verified in ${ms.toFixed(0)} ms, parsed in ${parsedMs.toFixed(0)} ms, ratio ${(ms / parsedMs).toFixed(1)}; the event loop stood still for ${longestMs.toFixed(0)} ms at most`,
  );
}
console.log(`median ratio ${median(ratios).toFixed(1)}`);

const folder = await mkdtemp(join(tmpdir(), 'bench-bundles-'));
try {
  const directories = [join(folder, 'm2-0'), join(folder, 'm2-1')];
  for (const directory of directories) await mkdir(directory);
  const roots = parseChain([Buffer.from(first.root).toString()], SPECIFIED_SIGNATURES);
  const trust = createTrust({
    known: { ...NO_PINS, chains: [{ id: roots[0].sha256, by: 'join', roots }] },
    save: async () => undefined,
    statements: NO_STATED_TRUST,
    ...{ requireSigned: undefined, signatures: SPECIFIED_SIGNATURES },
    log: silentLogger,
  });
  const settings = {
    directories,
    quotaBytes: 2 ** 40,
    minFreeBytes: 0,
    maxArtifactBytes: 2 ** 30,
    deletion: { waitMs: 0, limitPercent: 100, limitWaitMs: 0 },
    scrub: { periodMs: 1e9, bytesPerSecond: 2 ** 20 },
  };
  const start = async (): Promise<void> => {
    const store = await openStore(settings, {
      ...{ clock: systemClock, rng: seededRng(1), log: silentLogger },
      trust: releaseTrust(trust, judgeApart),
    });
    await store[Symbol.asyncDispose]();
  };
  await start();
  const without = await timed(start);
  for (let release = 0; release < releaseCount; release += 1) {
    const { sha256, bytes } = makeBundle(release);
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw new Error('a wrong hash');
    for (const directory of directories)
      await writeFile(join(directory, `release-metadata-${sha256}.json`), bytes);
  }
  const { ms, longestMs } = await standstill(() => timed(start));
  console.log(
    `start with ${releaseCount} releases: ${(ms / 1_000).toFixed(1)} s, without: ${(without / 1_000).toFixed(2)} s; the event loop stood still for ${longestMs.toFixed(0)} ms at most`,
  );
} finally {
  await rm(folder, { recursive: true });
}
