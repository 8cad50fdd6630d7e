/**
 * Copy sources that fail in the middle of a body, as servers of this test beside real sled agents and a real Nexus.
 *
 * The source lists everything before any other sled has it. So one sled is sent the artifact, and the other one is
 * told to copy it from there.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { type FakeConfig, obedient, registerSled } from './fake-sled.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, replicationDetails } from './fleet-state.fixture.ts';
import { startTestFleet } from './process-fleet.fixture.ts';

const TIMEOUT_MS = 180_000;

let directory: string;
let release: TestRelease;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-sources-'));
  release = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [400_000] });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const TRICKLE_MS = 50;

/** What comes after the first half of an artifact, which is right. */
type Fault = {
  /** What the source does … */
  readonly what: string;
  /** … after the first half of an artifact, which is right. */
  readonly rest: (response: ServerResponse, rest: Buffer) => void;
  /** What the sled says of it. */
  readonly told: RegExp;
};

const FAULTS: readonly Fault[] = [
  {
    what: 'sends other bytes',
    rest: (response, rest) => response.end(Buffer.alloc(rest.length)),
    told: /hash/,
  },
  { what: 'closes the connection', rest: response => response.destroy(), told: /closed|cut|reset/ },
  { what: 'falls silent', rest: () => undefined, told: /less than 65536 bytes in 2 s/ },
  {
    what: 'sends a byte now and then',
    rest(response, rest) {
      let at = 0;
      const timer = setInterval(() => response.write(rest.subarray(at, ++at)), TRICKLE_MS);
      response.once('close', () => clearInterval(timer));
    },
    told: /less than 65536 bytes in 2 s/,
  },
];

/** An honest answer to a spot check (P9): the fault is in whole bodies alone. */
const sourceThat = (fault: (response: ServerResponse, rest: Buffer) => void): RequestListener => {
  const listAll = ({ generation, artifacts }: FakeConfig) => ({
    generation,
    list: Object.fromEntries(artifacts.map(hash => [hash, 2])),
    datasets: 2,
  });
  return obedient(listAll, (request, response) => {
    const artifact = release.artifacts.find(({ sha256 }) => request.url?.includes(sha256));
    if (request.method !== 'GET' || artifact === undefined) return void response.writeHead(404).end();
    const bytes = Buffer.from(artifact.bytes);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (first !== undefined) {
      const part = bytes.subarray(Number(first), Number(last) + 1);
      const range = `bytes ${first}-${last}/${bytes.length}`;
      return void response
        .writeHead(206, { 'content-length': part.length, 'content-range': range })
        .end(part);
    }
    const half = bytes.length / 2;
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, half), () => fault(response, bytes.subarray(half)));
  });
};

describe.concurrent('sources', () => {
  test.each(FAULTS)(
    'a copy source that $what in the middle of a body is named, costs that copy alone, and is replaced (G5, B13, P6)',
    async ({ rest, told }) => {
      await using fleet = await startTestFleet({
        sleds: 2,
        // The source that lies has no identity.
        transport: 'plain',
        minSledReplication: 2,
        sled: () => ({ config: { intervals: { registration_s: 1, stall_s: 2 } } }),
      });
      const nexus = fleet.nexuses[0]!;
      await using source = await registerSled(nexus, 'bad-source', sourceThat(rest));
      await nexus.trust(release);
      await nexus.upload(release);
      const failures = async () => {
        const { items } = await nexus.fleet.sledList({ query: {} }, wait);
        const views = await Promise.all(
          items.map(({ id }) => nexus.fleet.sledView({ params: { sled_id: id } }, wait)),
        );
        return views.flatMap(view => view.copies_failed);
      };
      await until(
        async () => (await failures()).some(failure => failure.depot_base_url === source.baseUrl),
        'a sled reports the failed copy',
      );
      for (const failure of await failures())
        expect(failure).toMatchObject({
          depot_base_url: source.baseUrl,
          message: expect.stringMatching(told),
        });
      for (const dataset of fleet.sleds.flatMap(sled => sled.datasets)) {
        await until(
          async () => (await artifactsOnDisk(dataset)).length === hashesOf(release).length,
          `${dataset} is filled with what hashes to its names`,
        );
      }
      expect((await replicationDetails(nexus)).lifetime_counters.copy_failed).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});
