/** The clients and servers of this project against those of the original, in one process; fleets of processes are in fleets.test.ts. */
import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { ArtifactHash, asGeneration, SledId } from '../../src/core/ids.ts';
import { endpoint, splitAddress } from '../../src/lib/endpoint.ts';
import { startTestSled } from '../../src/sled-agent/sled.fixture.ts';
import { createHttpConnection } from '../../src/sled-client/http-connection.ts';
import { hasNoConfig } from '../../src/sled-client/refusal.ts';
import { MAX_SKIPPED_BYTES, type SledTarget } from '../../src/sled-client/sled-connection.ts';
import { wait } from '../fleet-process.fixture.ts';
import { type OriginalCounters, type OriginalNexus, startOriginalNexus } from './original-nexus.fixture.ts';
import { type OriginalSled, shaOf, startOriginalSled } from './original-sled.fixture.ts';

const targetOf = ({ id, serial, agentUrl, depotUrl }: OriginalSled): SledTarget => {
  const at = (url: string) =>
    endpoint('http', splitAddress(url.slice('http://'.length)), { kind: 'sled', id });
  return {
    id: SledId.parse(id),
    serial,
    agent: at(agentUrl),
    depot: at(depotUrl),
    isPlain: true,
    heads: null,
  };
};

const hashed = (bytes: Uint8Array): ArtifactHash => ArtifactHash.parse(shaOf(bytes));

/** A sled agent of this project that registers with this Nexus until the test ends. */
const startSledUnder = async (nexus: OriginalNexus, serial: string) => {
  const sled = await startTestSled({ serial, nexus: [nexus.address] }, { floor: false });
  onTestFinished(() => sled[Symbol.asyncDispose]());
  await expect.poll(() => sled.agent.store.state().kind).toBe('awaiting_config');
  return sled;
};

test('the servers of the original refuse a request without a version, and none of this project is one', async () => {
  await using nexus = await startOriginalNexus({ minSledReplication: 1 });
  await using sled = await startOriginalSled('original');
  for (const url of [
    `${nexus.baseUrl}/sled-agents/x`,
    `${sled.agentUrl}/artifacts`,
    `${sled.depotUrl}/artifact/sha256/x`,
  ]) {
    const answer = await fetch(url);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ message: 'missing expected header "api-version"' });
    expect((await fetch(url, { headers: { 'api-version': '999.0.0' } })).status).toBe(400);
  }
});

test('Nexus speaks with a sled of the original: config, list, put, copy and ranges of whole files (P9)', async () => {
  await using connection = createHttpConnection();
  await using sled = await startOriginalSled('one');
  await using other = await startOriginalSled('two');
  const [target, second] = [targetOf(sled), targetOf(other)];
  const bytes = randomBytes(MAX_SKIPPED_BYTES + 100_000);
  const sha256 = hashed(bytes);
  const generation = asGeneration(2);
  expect(hasNoConfig(await connection.config(target, wait).catch((error: unknown) => error))).toBe(true);
  for (const each of [target, second])
    await connection.putConfig(each, { generation, artifacts: new Map([[sha256, bytes.length]]) }, wait);
  expect(await connection.config(target, wait)).toMatchObject({ generation, artifacts: new Set([sha256]) });
  const chunks = (async function* () {
    yield bytes;
  })();
  const put = { sha256, generation, digest: undefined, sizeBytes: bytes.length, chunks };
  expect(await connection.put(target, put, wait)).toEqual({ datasets: 2, successfulWrites: 2 });
  await connection.copy(second, { sha256, generation, digest: undefined, source: target }, wait);
  await expect.poll(other.held).toEqual([sha256]);
  expect(await connection.list(second, wait)).toMatchObject({ generation, copies: new Map([[sha256, 2]]) });

  const read = (offset: number, length: number) =>
    connection.readRange(target, { sha256, offset, length }, wait);
  for (const [offset, length] of [
    [0, 16_384],
    [5_000_001, 16_384],
    [MAX_SKIPPED_BYTES, 100_000],
  ] as const)
    expect(Buffer.compare(await read(offset, length), bytes.subarray(offset, offset + length))).toBe(0);
  await expect(read(MAX_SKIPPED_BYTES + 1, 10)).rejects.toMatchObject({ code: 'PEER_RANGE_IGNORED' });
  await expect(read(MAX_SKIPPED_BYTES, 100_001)).rejects.toMatchObject({ code: 'PEER_BAD_ANSWER' });
  const older = { generation: asGeneration(1), artifacts: new Map() };
  await expect(connection.putConfig(target, older, wait)).rejects.toMatchObject({
    code: 'CONFIG_GENERATION',
  });
  expect([...sled.refusedVersions(), ...other.refusedVersions()]).toEqual([]);
});

test('a new sled agent is usable under a Nexus of the original, beside a sled of the original (P5, S19)', async () => {
  await using nexus = await startOriginalNexus({ minSledReplication: 1 });
  await using other = await startOriginalSled('original');
  await other.register(nexus.baseUrl);
  const ours = [await startSledUnder(nexus, 'one'), await startSledUnder(nexus, 'two')];
  expect(nexus.sledIds()).toHaveLength(3);
  const held = async () => [
    other.held(),
    ...(await Promise.all(
      ours.map(async ({ agent }) => [...(await agent.store.list()).artifacts.keys()].sort()),
    )),
  ];
  const everywhere = (...artifacts: readonly Buffer[]) => {
    const hashes = artifacts.map(shaOf).sort();
    return expect.poll(held).toEqual([hashes, hashes, hashes]);
  };
  const [kept, dropped, empty] = [randomBytes(3_000_000), randomBytes(50_000), Buffer.alloc(0)];
  nexus.upload([kept, dropped, empty]);
  // One put, to the sled of the original, and copies from there.
  expect(await nexus.activate()).toEqual({ ...counters(3), put_ok: 3, copy_ok: 6 });
  await everywhere(kept, dropped, empty);
  expect(await nexus.activate()).toEqual(counters(3));
  expect(nexus.localRepos()).toBe(0);
  // The copies come from one of ours.
  for (const bytes of [kept, empty]) other.lose(shaOf(bytes));
  expect(await nexus.activate()).toEqual({ ...counters(3), copy_ok: 2 });
  await everywhere(kept, dropped, empty);
  nexus.upload([kept]);
  nexus.prune();
  expect(await nexus.activate()).toMatchObject({ put_config_ok: 3, list_ok: 3 });
  await everywhere(kept);
  expect([...nexus.refusedVersions, ...other.refusedVersions()]).toEqual([]);
});

/** Of a run that finds nothing to do. */
const counters = (sleds: number): OriginalCounters => ({
  ...{ put_config_ok: sleds, list_ok: sleds, put_ok: 0, copy_ok: 0 },
  ...{ put_config_err: 0, list_err: 0, put_err: 0, copy_err: 0 },
});
