/** An artifact is passed on to other sleds while it arrives: two or three sleds over HTTP, with a put that the test throttles. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { depotArrivingUrl } from '../api/arriving-api.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import { asGeneration, type Generation, SledId } from '../core/ids.ts';
import { collectPrefixes, PREFIX_UNIT_BYTES, type PrefixDigests } from '../core/prefix-digests.ts';
import { createApiClient } from '../http/client.ts';
import { secureDispatcher } from '../http/peers.ts';
import { type TestFleetIdentity, testFleetIdentity, writeCredentials } from '../identity/identity.fixture.ts';
import { TEMPORARY_PREFIX } from '../lib/durable-file.ts';
import { splitAddress } from '../lib/endpoint.ts';
import { createHttpConnection } from '../sled-client/http-connection.ts';
import type { SledTarget } from '../sled-client/sled-connection.ts';
import { prefixesBody } from '../sled-wire/prefix-digests.ts';
import { arrivingHandlers } from './arriving-depot.ts';
import { hashOf, neverAborts, startTestSled, type TestSled } from './sled.fixture.ts';
import { createSlots } from './slots.ts';

const MIB = 1024 * 1024;
const BYTES = randomBytes(8 * MIB + 12_345);
const SHA256 = hashOf(BYTES);
const GENERATION = asGeneration(1);
const signal = neverAborts();
/** No stall is noticed while a test waits. */
const PATIENT = { intervals: { stall_s: 600 } };

const prefixesOf = (bytes: Uint8Array): PrefixDigests => {
  const sized = { sizeBytes: bytes.length, unitBytes: PREFIX_UNIT_BYTES };
  const collector = collectPrefixes(createHash('sha256'), sized);
  collector.update(bytes);
  return collector.collected()!;
};

const tell = (sled: TestSled, prefixes = prefixesOf(BYTES)) =>
  sled.client.artifactPrefixesPut(
    { params: { sha256: SHA256 }, body: prefixesBody({ sizeBytes: BYTES.length, prefixes }) },
    { signal },
  );

const copyArriving = async (sled: TestSled, from: TestSled) => {
  const query = { generation: sled.agent.store.config()!.generation };
  const body = { depot_base_url: from.depotUrl, arriving: true };
  await sled.client.artifactCopyFromDepot({ params: { sha256: SHA256 }, query, body }, { signal });
};

const list = (sled: TestSled) => sled.client.artifactList({}, { signal });
const received = async (sled: TestSled) => (await list(sled)).copies_in_flight?.[0]?.received_bytes;
const outcome = (sled: TestSled) =>
  sled.client.artifactCopyOutcome({ params: { sha256: SHA256 }, query: { wait_s: 45 } }, { signal });

type SlowPut = {
  readonly send: (bytes: Uint8Array) => void;
  readonly finish: () => void;
  readonly cut: () => void;
  readonly done: Promise<unknown>;
};

/** Sends what the test gives it, when the test does. */
const slowPut = (sled: TestSled, generation: Generation): SlowPut => {
  const waiting: (Uint8Array | 'end')[] = [];
  let wake = Promise.withResolvers<void>();
  const push = (next: Uint8Array | 'end'): void => {
    waiting.push(next);
    wake.resolve();
  };
  const chunks = (async function* () {
    for (;;) {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        if (next === 'end') return;
        yield next;
      }
      wake = Promise.withResolvers();
      if (waiting.length === 0) await wake.promise;
    }
  })();
  const stop = new AbortController();
  const body = { sizeBytes: BYTES.length, chunks };
  const done = sled.client.artifactPut(
    { params: { sha256: SHA256 }, query: { generation }, body },
    { signal: stop.signal },
  );
  done.catch(() => undefined);
  return {
    send: push,
    finish: () => push('end'),
    cut() {
      stop.abort(new Error('cut by the test'));
      push('end');
    },
    done,
  };
};

/** Sleds that want the artifact and know its marks. */
const start = async (...files: Parameters<typeof startTestSled>[0][]) => {
  const owned = new AsyncDisposableStack();
  const sleds: TestSled[] = [];
  for (const file of files) {
    const sled = owned.use(await startTestSled({ ...PATIENT, ...file }));
    await sled.want(BYTES);
    await tell(sled);
    sleds.push(sled);
  }
  return { sleds: sleds as [TestSled, TestSled, TestSled], owned };
};

const generationOf = (sled: TestSled): Generation => sled.agent.store.config()!.generation;

test('a sled has half of an artifact before its source has the whole, which lists nothing until then (G4)', async () => {
  const { sleds, owned } = await start({}, {}, {});
  await using _ = owned;
  const [a, b, c] = sleds;
  const put = slowPut(a, generationOf(a));
  put.send(BYTES.subarray(0, 100));
  await expect
    .poll(() => copyArriving(b, a).catch((error: Error) => error.message), { timeout: 10_000 })
    .toBeUndefined();
  await copyArriving(c, b);
  expect(await received(b)).toBe(0);
  put.send(BYTES.subarray(100, 5 * MIB + 7));
  for (const sled of [b, c]) await expect.poll(() => received(sled), { timeout: 10_000 }).toBe(5 * MIB);
  for (const sled of sleds) {
    expect((await list(sled)).list).toEqual({});
    for (const method of ['GET', 'HEAD'])
      expect((await fetch(`${sled.depotUrl}/artifact/sha256/${SHA256}`, { method })).status).toBe(404);
  }
  put.send(BYTES.subarray(5 * MIB + 7));
  put.finish();
  expect(await put.done).toEqual({ datasets: 2, successful_writes: 2 });
  for (const sled of [b, c])
    expect(await outcome(sled)).toMatchObject({ stored: { datasets: 2, successful_writes: 2 } });
  for (const sled of sleds) expect((await list(sled)).list).toEqual({ [SHA256]: 2 });
});

test('when the transfer of the source is cut, the copies from it end and leave nothing, and the next one finds nothing', async () => {
  const { sleds, owned } = await start({}, {});
  await using _ = owned;
  const [a, b] = sleds;
  const put = slowPut(a, generationOf(a));
  put.send(BYTES.subarray(0, 2 * MIB));
  await expect
    .poll(() => copyArriving(b, a).catch((error: Error) => error.message), { timeout: 10_000 })
    .toBeUndefined();
  await expect.poll(() => received(b), { timeout: 10_000 }).toBe(2 * MIB);
  put.cut();
  expect(await outcome(b)).toMatchObject({
    failed: { error_code: 'PEER_UNREACHABLE', depot_base_url: a.depotUrl },
  });
  await expect(copyArriving(b, a)).rejects.toMatchObject({ code: 'COPY_SOURCE' });
  for (const directory of b.datasets)
    expect((await readdir(directory)).filter(name => name.startsWith(TEMPORARY_PREFIX))).toEqual([]);
  expect((await list(b)).list).toEqual({});
});

test('a byte that is wrong on the source ends the copy at the next mark, and names the source (G5)', async () => {
  const { sleds, owned } = await start({}, {}, {});
  await using _ = owned;
  const [a, b, c] = sleds;
  const put = slowPut(a, generationOf(a));
  put.send(BYTES.subarray(0, 4 * MIB));
  const temporary = async (directory: string) =>
    (await readdir(directory))
      .filter(name => name.startsWith(TEMPORARY_PREFIX))
      .map(name => join(directory, name));
  await expect.poll(async () => (await a.agent.store.list()).artifacts.size).toBe(0);
  const sizesOf = async () =>
    Promise.all(
      (await Promise.all(a.datasets.map(temporary))).flat().map(async path => {
        await using file = await open(path);
        return (await file.stat()).size;
      }),
    );
  await expect.poll(sizesOf, { timeout: 10_000 }).toEqual([4 * MIB, 4 * MIB]);
  for (const path of (await Promise.all(a.datasets.map(temporary))).flat()) {
    await using file = await open(path, 'r+');
    await file.write(Buffer.of(BYTES[3 * MIB + 5]! ^ 1), 0, 1, 3 * MIB + 5);
  }
  await copyArriving(b, a);
  expect(await outcome(b)).toMatchObject({
    failed: {
      error_code: 'ARTIFACT_PREFIX_MISMATCH',
      message: expect.stringMatching(
        `first ${4 * MIB} bytes that ${a.depotUrl} sent .* the first ${3 * MIB} do`,
      ),
    },
  });
  // A receiver that knows no digests reads on, and the hash of the whole decides.
  await c.want(BYTES, 'more');
  await tell(c, prefixesOf(randomBytes(BYTES.length)));
  const wrong = copyArriving(c, a).then(() => outcome(c));
  expect(await wrong).toMatchObject({ failed: { error_code: 'ARTIFACT_PREFIX_MISMATCH' } });
  await copyArriving(c, a);
  put.send(BYTES.subarray(4 * MIB));
  put.finish();
  expect(await outcome(c)).toMatchObject({ failed: { error_code: 'ARTIFACT_HASH_MISMATCH' } });
  expect((await list(c)).list).toEqual({});
});

test('a source that has nothing new ends the copy, by its name', async () => {
  const { sleds, owned } = await start({}, { intervals: { stall_s: 0.5 } });
  await using _ = owned;
  const [a, b] = sleds;
  const put = slowPut(a, generationOf(a));
  put.send(BYTES.subarray(0, MIB + 1));
  await expect
    .poll(() => copyArriving(b, a).catch((error: Error) => error.message), { timeout: 10_000 })
    .toBeUndefined();
  expect(await outcome(b)).toMatchObject({
    failed: {
      error_code: 'PEER_STALLED',
      message: expect.stringMatching(new URL(a.depotUrl).host),
      depot_base_url: a.depotUrl,
    },
  });
  put.cut();
});

test('a copy from a source that receives too slowly is replaced by one from a whole copy, in its place (CY7, G8)', async () => {
  const { sleds, owned } = await start({}, { limits: { copies: 1 } }, {});
  await using _ = owned;
  const [a, b, c] = sleds;
  await c.put(BYTES, generationOf(c));
  const put = slowPut(a, generationOf(a));
  put.send(BYTES.subarray(0, 2 * MIB));
  await expect
    .poll(() => copyArriving(b, a).catch((error: Error) => error.message), { timeout: 10_000 })
    .toBeUndefined();
  await expect.poll(() => received(b), { timeout: 10_000 }).toBe(2 * MIB);
  await b.copy(SHA256, c.depotUrl).finally(put.cut);
  expect(await outcome(b)).toMatchObject({ stored: { datasets: 2, successful_writes: 2 } });
  expect(await list(b)).toMatchObject({
    list: { [SHA256]: 2 },
    ...{ copies_in_flight: [], copies_completed_total: 1, copies_failed_total: 1 },
    copies_failed: [{ depot_base_url: a.depotUrl, error_code: 'COPY_SOURCE' }],
  });
});

test('a put that is stored ends such a copy, which has failed for nobody (CY7)', async () => {
  const { sleds, owned } = await start({}, {});
  await using _ = owned;
  const [a, b] = sleds;
  const put = slowPut(a, generationOf(a));
  put.send(BYTES.subarray(0, 2 * MIB));
  await expect
    .poll(() => copyArriving(b, a).catch((error: Error) => error.message), { timeout: 10_000 })
    .toBeUndefined();
  const ended = outcome(b);
  await b.put(BYTES, generationOf(b)).finally(put.cut);
  expect(await ended).toMatchObject({ stored: { datasets: 2, successful_writes: 2 } });
  expect(await list(b)).toMatchObject({ copies_in_flight: [], copies_failed_total: 0 });
});

test('the route serves a held artifact too, in ranges, and takes the places of reads (B14)', async () => {
  const { sleds, owned } = await start({ limits: { depot_reads: 2 } });
  await using _ = owned;
  const [a] = sleds;
  const url = depotArrivingUrl(a.depotUrl, SHA256);
  expect((await fetch(url)).status).toBe(404);
  const generation = generationOf(a);
  const put = slowPut(a, generation);
  put.send(BYTES.subarray(0, 3 * MIB));
  const waiting = new AbortController();
  const ranged = (range: string) => fetch(url, { headers: { range }, signal: waiting.signal });
  await expect
    .poll(async () => (await ranged(`bytes=${MIB}-${MIB + 9}`)).status, { timeout: 10_000 })
    .toBe(206);
  const part = await ranged(`bytes=${2 * MIB}-${2 * MIB + 3}`);
  expect(part.headers.get('content-range')).toBe(`bytes ${2 * MIB}-${2 * MIB + 3}/${BYTES.length}`);
  expect(Buffer.from(await part.arrayBuffer())).toEqual(BYTES.subarray(2 * MIB, 2 * MIB + 4));
  for (const at of [4 * MIB, 5 * MIB])
    expect((await ranged(`bytes=${at}-`)).status, 'the head comes before the bytes').toBe(206);
  expect((await ranged('bytes=0-1')).status, 'both places are taken by answers that wait').toBe(429);
  waiting.abort();
  put.send(BYTES.subarray(3 * MIB));
  put.finish();
  await put.done;
  await expect.poll(async () => hashOf(new Uint8Array(await (await fetch(url)).arrayBuffer()))).toBe(SHA256);
});

test('an answer whose client is slow goes on from the held file, once there is one', async () => {
  const { sleds, owned } = await start({});
  await using _ = owned;
  const { store } = sleds[0].agent;
  const handlers = arrivingHandlers({ store, reads: createSlots(1, 'reads') });
  await using writer = await store.beginWrite(SHA256, generationOf(sleds[0]));
  await writer.write(BYTES.subarray(0, 5 * MIB));
  const request = { params: { sha256: SHA256 }, caller: { claimant: undefined }, signal };
  await using answer = await handlers.arrivingGetBySha256(request as never);
  const target = Buffer.alloc(BYTES.length);
  expect(await answer.read(target.subarray(0, MIB), 0)).toBe(MIB);
  await writer.write(BYTES.subarray(5 * MIB));
  await writer.commit();
  for (let at = MIB; at < BYTES.length; ) at += await answer.read(target.subarray(at), at);
  expect(hashOf(target)).toBe(SHA256);
});

/** With a certificate; it needs no Nexus to adopt its first config. */
const startSecureSled = async (identity: TestFleetIdentity) => {
  const folder = await mkdtemp(join(tmpdir(), 'arriving-'));
  const credentials = identity.issue('sled');
  const files = await writeCredentials(folder, credentials);
  const sled = await startTestSled(
    {
      ...PATIENT,
      transport: 'tls',
      identity: {
        certificate_file: files.certificateFile,
        key_file: files.keyFile,
        ca_file: files.authoritiesFile,
      },
      trust: { require_signed: false },
      depot_plain_listen: '127.0.0.1:0',
    },
    { floor: false },
  );
  await rm(folder, { recursive: true });
  const { store } = sled.agent;
  await store.acceptFloor({ generation: GENERATION, digest: '0'.repeat(64) }, new Map());
  const artifacts = new Map([[SHA256, BYTES.length]]);
  await store.offerConfig({ generation: GENERATION, artifacts, succeeds: 'unknown' }, { signal });
  store.tellPrefixes(SHA256, { sizeBytes: BYTES.length, prefixes: prefixesOf(BYTES) });
  return Object.assign(sled, { id: SledId.parse(credentials.identity.id) });
};

const dispatcherOf = (identity: TestFleetIdentity, kind: 'sled' | 'nexus') => {
  const credentials = identity.issue(kind);
  const dispatcher = secureDispatcher(() => credentials, { fleet: identity.fleet, kind: 'sled' });
  onTestFinished(() => dispatcher.destroy());
  return dispatcher;
};

test('between sleds with certificates it is passed on to sleds of the fleet alone, and a depot without TLS has no such route', async () => {
  const identity = testFleetIdentity();
  await using a = await startSecureSled(identity);
  await using b = await startSecureSled(identity);
  const base = `https://${a.agent.depotAddress}`;
  await using writer = await a.agent.store.beginWrite(SHA256, GENERATION);
  await writer.write(BYTES.subarray(0, 3 * MIB));
  const url = depotArrivingUrl(base, SHA256);
  const nexus = dispatcherOf(identity, 'nexus');
  expect((await request(url, { dispatcher: nexus })).statusCode).toBe(403);
  await expect(request(url)).rejects.toThrow();
  const sled = await request(url, {
    dispatcher: dispatcherOf(identity, 'sled'),
    headers: { range: 'bytes=5-9' },
  });
  expect([sled.statusCode, Buffer.from(await sled.body.arrayBuffer())]).toEqual([206, BYTES.subarray(5, 10)]);
  const plain = await fetch(depotArrivingUrl(`http://${a.agent.plainDepotAddress}`, SHA256));
  expect(await plain.json()).toMatchObject({ depot_code: 'NOT_FOUND' });
  await using agent = createApiClient(sledAgentApi, {
    baseUrl: `https://${b.agent.agentAddress}`,
    dispatcher: nexus,
  });
  const at = { params: { sha256: SHA256 } };
  const order = { depot_base_url: base, source_sled_id: a.id, arriving: true };
  await agent.artifactCopyFromDepot({ ...at, query: { generation: GENERATION }, body: order }, { signal });
  await expect
    .poll(async () => (await agent.artifactList({}, { signal })).copies_in_flight?.[0]?.received_bytes)
    .toBe(3 * MIB);
  await writer.write(BYTES.subarray(3 * MIB));
  await writer.commit();
  const ended = await agent.artifactCopyOutcome({ ...at, query: { wait_s: 45 } }, { signal });
  expect(ended).toMatchObject({ stored: { successful_writes: 2 } });
});

test('Nexus tells prefix digests and orders such a copy through its connection', async () => {
  const { sleds, owned } = await start({}, {});
  await using _ = owned;
  const [a, b] = sleds;
  await using connection = createHttpConnection();
  const targetOf = (sled: TestSled, n: number): SledTarget => {
    const id = SledId.parse(`00000000-0000-4000-8000-00000000000${n}`);
    const at = (address: string) => ({
      scheme: 'http' as const,
      expected: { kind: 'sled' as const, id },
      ...splitAddress(address),
    });
    const { agentAddress, depotAddress } = sled.agent;
    return { id, serial: `s${n}`, heads: null, agent: at(agentAddress), depot: at(depotAddress) };
  };
  const told = { sha256: SHA256, sizeBytes: BYTES.length, prefixes: prefixesOf(BYTES) };
  await connection.tellPrefixes(targetOf(a, 1), told, { signal });
  await expect(
    connection.tellPrefixes(targetOf(a, 1), { ...told, sizeBytes: 7 }, { signal }),
  ).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  await expect(
    connection.tellPrefixes(targetOf(a, 1), { ...told, sha256: hashOf('other') }, { signal }),
  ).rejects.toMatchObject({ code: 'ARTIFACT_NOT_IN_CONFIG' });
  const put = slowPut(a, generationOf(a));
  put.send(BYTES.subarray(0, 2 * MIB));
  const order = {
    ...{ sha256: SHA256, generation: generationOf(b), digest: undefined },
    ...{ source: targetOf(a, 1), isArriving: true },
  };
  for (;;) {
    const refused = await connection.copy(targetOf(b, 2), order, { signal }).catch((error: unknown) => error);
    if (refused === undefined) break;
    await delay(20);
  }
  await expect.poll(() => received(b), { timeout: 10_000 }).toBe(2 * MIB);
  put.send(BYTES.subarray(2 * MIB));
  put.finish();
  await put.done;
  const wait = { sha256: SHA256, waitMs: 45_000 };
  expect(await connection.copyOutcome(targetOf(b, 2), wait, { signal })).toMatchObject({ kind: 'stored' });
});
