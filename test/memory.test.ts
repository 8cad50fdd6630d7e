/** The bounds of memory hold with TLS: for bodies of any size, and for strangers that complete handshakes without end (S17, T5). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NODE_FLAGS } from '../src/cli/program-path.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { waitComplete } from './fleet-state.fixture.ts';
import { floodConnections, MEMORY_LIMITS, type MemoryLimits, peakMib } from './peak-memory.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

/** Several times what a process may have beside its idle memory. */
const ARTIFACT_BYTES = 96 * 1024 ** 2;
/** Of the 2,048 of a server, those that are not kept for known peers. */
const STRANGERS_MOST = 1_024;
/** Connections that the server has ended, and whose end has not arrived. */
const ENDING = 128;

let fleet: TestFleet;
let directory: string;
let release: TestRelease;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-memory-'));
  const artifacts = ['a', 'b', 'c', 'd'].map(seed => ({ seed, sizeBytes: ARTIFACT_BYTES }));
  release = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts });
  fleet = await startTestFleet({ sleds: 2, minSledReplication: 1, nodeArguments: () => NODE_FLAGS });
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const nexus = () => fleet.nexuses[0]!;
const expectWithin = async (which: keyof MemoryLimits) => {
  const each = [
    { process: nexus(), limits: MEMORY_LIMITS.nexus },
    ...fleet.sleds.map(sled => ({ process: sled, limits: MEMORY_LIMITS.sled })),
  ];
  for (const { process, limits } of each) expect(await peakMib(process)).toBeLessThan(limits[which]);
};

test('an archive of several times the bound is uploaded and replicated over TLS within the memory of plain connections (S17)', async () => {
  await nexus().trust(release);
  await nexus().upload(release);
  await waitComplete(nexus(), '1.0.0');
  await expectWithin('loaded');
});

test('strangers from 250 addresses that complete handshakes without end have bounded memory, and the fleet goes on (T5)', async () => {
  const sled = fleet.sleds[0]!;
  const servers = [
    nexus().internalAddress(),
    nexus().operatorAddress(),
    sled.agentAddress(),
    sled.depotAddress(),
  ];
  for (const address of servers) {
    const { made, open } = await floodConnections({ address, isSecure: true, count: 2_000 });
    expect(made, 'handshakes are answered while idle connections give way').toBeGreaterThan(STRANGERS_MOST);
    expect(open).toBeLessThanOrEqual(STRANGERS_MOST + ENDING);
  }
  await expectWithin('flooded');
  await waitComplete(nexus(), '1.0.0');
});
