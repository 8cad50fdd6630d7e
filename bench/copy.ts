/**
 * How fast a sled copies an artifact from a depot into two datasets, verified and durable, against the shell:
 * `curl | tee COPY1 COPY2 | openssl dgst -sha256`, then `sync` of both. nginx is the source of both.
 *
 *     bin/node24 bench/copy.ts [rounds] [MiB] [folder] [plain|tls]
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { asGeneration } from '../src/core/ids.ts';
import { seededRng } from '../src/core/rng.ts';
import { DEFAULT_PROGRESS } from '../src/http/progress.ts';
import { rawGet } from '../src/http/raw-get.ts';
import { testFleetIdentity } from '../src/identity/identity.fixture.ts';
import { type ClientTls, clientTls } from '../src/identity/tls.ts';
import { systemClock } from '../src/lib/clock.ts';
import { silentLogger } from '../src/lib/log.ts';
import { createCopies } from '../src/sled-agent/copy.ts';
import { createSlots } from '../src/sled-agent/slots.ts';
import { openStore } from '../src/sled-agent/store/open-store.ts';
import { type Nginx, startNginx } from './nginx.ts';
import { writeNoise } from './noise.ts';
import { bytesPerSecond, compare } from './ratio.ts';

const [rounds = 5, mib = 1024] = process.argv.slice(2, 4).map(Number);
const sizeBytes = mib * 1024 ** 2;
const isTls = process.argv[5] === 'tls';
const signal = new AbortController().signal;
const shell = promisify(execFile);

const folder = await mkdtemp(join(process.argv[4] ?? tmpdir(), 'bench-copy-'));
try {
  const source = join(folder, 'source', 'artifact', 'sha256');
  await mkdir(source, { recursive: true });
  const sha256 = await writeNoise(join(source, 'noise'), sizeBytes);
  await shell('mv', [join(source, 'noise'), join(source, sha256)]);
  const fleet = testFleetIdentity();
  const [sender, receiver] = [fleet.issue('sled'), fleet.issue('sled')];
  await using nginx = await startNginx(join(folder, 'source'), isTls ? sender : undefined);
  for (const [name, pem] of [
    ['certificate', receiver.certificatePem],
    ['key', receiver.keyPem],
  ] as const)
    await writeFile(join(folder, `${name}.pem`), pem);
  const tls = isTls
    ? clientTls(receiver, { fleet: fleet.fleet, kind: 'sled', id: sender.identity.id })
    : undefined;
  if (nginx !== undefined) await compareWith(nginx, sha256, tls);
} finally {
  await rm(folder, { recursive: true });
}

async function compareWith(
  nginx: Nginx,
  sha256: Awaited<ReturnType<typeof writeNoise>>,
  tls: ClientTls | undefined,
): Promise<void> {
  const directories = [join(folder, 'm2-a'), join(folder, 'm2-b')];
  for (const directory of directories) await mkdir(directory);
  await using store = await openStore(
    {
      directories,
      quotaBytes: 64 * sizeBytes,
      minFreeBytes: 0,
      maxArtifactBytes: sizeBytes,
      deletion: { waitMs: 0, limitPercent: 100, limitWaitMs: 0 },
      scrub: { periodMs: 86_400_000, bytesPerSecond: sizeBytes },
    },
    { clock: systemClock, rng: seededRng(1), log: silentLogger },
  );
  let generation = asGeneration(1);
  await store.acceptFloor({ generation, digest: '0'.repeat(64) }, new Map());
  await store.offerConfig({ generation, artifacts: new Map([[sha256, sizeBytes]]) }, { signal });
  const dependencies = {
    store,
    clock: systemClock,
    log: silentLogger,
    slots: createSlots(1, 'copies'),
    progress: DEFAULT_PROGRESS,
    maxArtifactBytes: Number.MAX_SAFE_INTEGER,
  };
  await using copies = createCopies({
    ...dependencies,
    fetchArtifact: (url, { sourceId: _, ...options }) => rawGet(url, { ...options, tls }),
  });

  const copy = async (): Promise<void> => {
    const { completedTotal } = copies.report();
    await copies.start({ sha256, generation, depotBaseUrl: nginx.url }, undefined);
    while (copies.report().inFlight.length > 0) await delay(5);
    const report = copies.report();
    if (report.completedTotal === completedTotal) throw new Error(report.failed.at(-1)?.message);
  };
  /** Each round begins without the artifact: wanted no more, deleted, and wanted again. */
  const forget = async (): Promise<void> => {
    for (const artifacts of [new Map(), new Map([[sha256, sizeBytes]])]) {
      generation = asGeneration(generation + 1);
      await store.offerConfig({ generation, artifacts }, { signal });
      await store.reconcile('bench', { signal });
    }
    await shell('sync');
  };
  const [copy1, copy2] = [join(folder, 'copy-1'), join(folder, 'copy-2')];
  const url = `${nginx.url}/artifact/sha256/${sha256}`;
  // The certificate names no host, which curl would compare.
  const identity = isTls
    ? `--insecure --cert ${join(folder, 'certificate.pem')} --key ${join(folder, 'key.pem')}`
    : '';
  const pipeline = `curl -fsS ${identity} ${url} | tee ${copy1} ${copy2} | openssl dgst -sha256 && sync ${copy1} ${copy2}`;
  await compare(
    { name: 'sled', run: copy, prepare: forget },
    {
      name: 'shell',
      run: async () => void (await shell('sh', ['-c', pipeline])),
      prepare: async () => {
        await rm(copy1, { force: true });
        await rm(copy2, { force: true });
        await shell('sync');
      },
    },
    { rounds, speedOf: bytesPerSecond(sizeBytes), target: 0.8 },
  );
}
