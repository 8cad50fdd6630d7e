/** Sleds that answer rubbish or lie, as servers of this test beside real sled agents and a real Nexus process. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { obedient, registerSled } from './fake-sled.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { activateReplication, artifactsOnDisk, hashesOf, replicationDetails } from './fleet-state.fixture.ts';
import { startTestFleet } from './process-fleet.fixture.ts';

/** Sleds that never answer cost several rounds their grace. */
const TIMEOUT_MS = 180_000;

let directory: string;
let release: TestRelease;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-lying-'));
  release = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [300_000, 20_000, 1] });
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const RUBBISH: Record<string, RequestListener> = {
  'sled-html': (request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Welcome to nginx!</html>');
  },
  'sled-mute': request => request.resume(),
  'sled-hangup': request => request.socket.destroy(),
  'sled-generation': obedient(
    ({ generation }) => ({ generation: generation + 1000, list: {} }),
    (_, response) => response.writeHead(500).end(),
    config => ({ ...config, generation: config.generation + 1000 }),
  ),
  'sled-rounding': obedient(
    () => ({ generation: 2 ** 60, list: {} }),
    (_, response) => response.writeHead(500).end(),
  ),
};

test(
  'sleds that answer HTML, nothing, a cut connection or an impossible generation cost nobody else anything, and are named (G8)',
  async () => {
    await using fleet = await startTestFleet({ sleds: 3, minSledReplication: 3, transport: 'plain' });
    const nexus = fleet.nexuses[0]!;
    await using fakes = new AsyncDisposableStack();
    for (const [serial, behave] of Object.entries(RUBBISH))
      fakes.use(await registerSled(nexus, serial, behave));
    await nexus.trust(release);
    await nexus.upload(release);
    for (const dataset of fleet.sleds.flatMap(sled => sled.datasets)) {
      await until(
        async () => (await artifactsOnDisk(dataset)).length === hashesOf(release).length,
        `${dataset} is filled`,
      );
    }
    await until(
      async () => (await replicationDetails(nexus)).local_repos === 0,
      'three honest sleds are enough',
    );

    await until(async () => {
      const { reasons } = await nexus.fleet.fleetStatus({}, wait);
      return Object.keys(RUBBISH).every(serial => reasons.some(({ details }) => details?.serial === serial));
    }, 'each of them is named');
    const { reasons } = await nexus.fleet.fleetStatus({}, wait);
    const codeOf = (serial: string) => reasons.find(({ details }) => details?.serial === serial)?.code;
    expect(codeOf('sled-html')).toBe('SLED_BAD_ANSWER');
    expect(codeOf('sled-mute')).toBe('SLED_UNREACHABLE');
    expect(codeOf('sled-hangup')).toBe('SLED_UNREACHABLE');
    expect(codeOf('sled-generation')).toBe('SLED_DIVERGED');
    expect(codeOf('sled-rounding')).toBe('SLED_BAD_ANSWER');
    expect(nexus.isRunning()).toBe(true);
  },
  TIMEOUT_MS,
);

test(
  'a sled that lists all it should, bogus hashes too, and has none of it keeps the archive from being dropped (P9, S11)',
  async () => {
    await using fleet = await startTestFleet({ sleds: 3, minSledReplication: 3, transport: 'plain' });
    const nexus = fleet.nexuses[0]!;
    await fleet.sleds[2]!.kill();
    let ranges = 0;
    const liar = obedient(
      ({ generation, artifacts }) => ({
        generation,
        list: { ...Object.fromEntries(artifacts.map(hash => [hash, 2])), bogus: 2 },
        datasets: 2,
      }),
      (request, response) => {
        const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
        const size = release.artifacts.find(({ sha256 }) => request.url?.includes(sha256))?.sizeBytes;
        if (first === undefined || size === undefined) return void response.writeHead(404).end();
        ranges += 1;
        const length = Number(last) - Number(first) + 1;
        const range = `bytes ${first}-${last}/${size}`;
        response
          .writeHead(206, { 'content-length': length, 'content-range': range })
          .end(Buffer.alloc(length));
      },
    );
    await using _ = await registerSled(nexus, 'sled-liar', liar);
    await nexus.trust(release);
    await nexus.upload(release);
    const codes = async () => (await nexus.fleet.fleetStatus({}, wait)).reasons.map(reason => reason.code);
    await until(async () => {
      await activateReplication(nexus);
      return (await codes()).includes('SLED_BYTES_DIFFER');
    }, 'the lie is found');
    expect(ranges).toBeGreaterThan(0);
    await activateReplication(nexus);
    expect((await replicationDetails(nexus)).local_repos, 'two sleds have it, three are required').toBe(1);

    await fleet.sleds[2]!.start();
    await until(
      async () => (await replicationDetails(nexus)).local_repos === 0,
      'three honest sleds have it',
    );
    expect(await codes(), 'it still has to be mended').toContain('SLED_BYTES_DIFFER');
  },
  TIMEOUT_MS,
);
