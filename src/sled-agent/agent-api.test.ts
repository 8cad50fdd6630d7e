import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asGeneration, LeaseId } from '../core/ids.ts';
import { MAX_BUNDLE_BYTES } from '../core/release-trust.ts';
import { TEMPORARY_PREFIX } from '../lib/durable-file.ts';
import { hashOf, neverAborts, startTestSled } from './sled.fixture.ts';
import { tellFloor } from './store/artifact.fixture.ts';

const signal = neverAborts();

test('a put is stored on every dataset and listed, in the published shapes (S2)', async () => {
  await using sled = await startTestSled();
  const generation = await sled.want('abc', 'def');
  expect(await sled.put('abc', generation)).toEqual({ datasets: 2, successful_writes: 2 });
  const answer = await fetch(`http://${sled.agent.agentAddress}/artifacts`, {
    headers: { 'api-version': '48.0.0' },
  });
  expect(await answer.json()).toEqual({
    generation,
    list: { [hashOf('abc')]: 2 },
    config_digest: hashOf(
      [hashOf('abc'), hashOf('def')]
        .sort()
        .map(hash => `${hash}\n`)
        .join(''),
    ),
    lineage: false,
    points_kept: [],
    incarnation_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    tag: expect.any(String),
    datasets: 2,
    dataset_health: sled.datasets.map(path => expect.objectContaining({ path, state: 'ok' })),
    copies_in_flight: [],
    copies_completed_total: 0,
    copies_failed_total: 0,
    copies_failed: [],
    deletions_total: 0,
    deletions: [],
    deletions_deferred: [],
    leases_total: 0,
    quarantined: [],
    scrub: expect.objectContaining({ cycles_completed: 1, files_total: 0 }),
  });
  expect(await sled.client.artifactConfigGet({ query: {} }, { signal })).toEqual({
    generation,
    artifacts: [hashOf('abc'), hashOf('def')].sort(),
    sizes: { [hashOf('abc')]: 3, [hashOf('def')]: 3 },
  });
});

test('a sled without a config answers so', async () => {
  await using sled = await startTestSled();
  await expect(sled.client.artifactList({}, { signal })).rejects.toMatchObject({
    code: 'NO_ARTIFACT_CONFIG',
  });
  await expect(sled.client.artifactConfigGet({ query: {} }, { signal })).rejects.toMatchObject({
    code: 'NO_ARTIFACT_CONFIG',
    detail: { status: 404 },
  });
});

test('a sled that may lack its newest ledger does not list its artifacts until it has a floor (G6)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sled-'));
  const datasets = [join(folder, 'm2-a'), join(folder, 'm2-b')];
  for (const dataset of datasets) await mkdir(dataset);
  {
    await using before = await startTestSled({ datasets });
    await before.want('abc');
  }
  // Its other disk is away, and a registration that gives a floor below what it holds would end the doubt at once.
  await using sled = await startTestSled(
    { datasets: [datasets[0]!], nexus: ['127.0.0.1:9'] },
    { floor: false },
  );
  const { client } = sled;
  for (const asked of [
    client.artifactList({}, { signal }),
    client.artifactConfigGet({ query: {} }, { signal }),
  ])
    await expect(asked).rejects.toMatchObject({ code: 'AWAITING_FLOOR', detail: { status: 503 } });
  await tellFloor(sled.agent.store, 1);
  expect(await sled.client.artifactList({}, { signal })).toMatchObject({ generation: 2 });
  await rm(folder, { recursive: true });
});

test('an older config and another one of the same generation are refused, the same one is not (S8)', async () => {
  await using sled = await startTestSled();
  const put = (generation: number, ...artifacts: string[]) =>
    sled.client.artifactConfigPut({ body: { generation, artifacts: artifacts.map(hashOf) } }, { signal });
  await put(5, 'a', 'b');
  await put(5, 'b', 'a');
  for (const refused of [put(4, 'a', 'b'), put(5, 'a')])
    await expect(refused).rejects.toMatchObject({ code: 'CONFIG_GENERATION', detail: { status: 409 } });
});

test('a config that does not succeed the sled’s own is refused with the sled’s point, and deletions are held (P13)', async () => {
  await using sled = await startTestSled();
  const { client } = sled;
  const put = (generation: number, succeeds: unknown, ...artifacts: string[]) =>
    client.artifactConfigPut(
      { body: { generation, artifacts: artifacts.map(hashOf), succeeds } as never },
      { signal },
    );
  await put(5, 'unknown', 'a', 'b');
  const { config_digest } = await client.artifactList({}, { signal });
  await expect(put(9, 'unknown', 'b')).rejects.toMatchObject({
    code: 'CONFIG_GENERATION',
    detail: { status: 409, reason: 'not_successor', held: 5, held_digest: config_digest, held_lineage: true },
  });
  expect(await client.artifactList({}, { signal })).toMatchObject({
    generation: 5,
    lineage: true,
    deletions_held: { reason: expect.stringContaining('does not succeed') },
  });
  const point = `5:${config_digest}`;
  const held = await client.artifactConfigGet({ query: { point } }, { signal });
  expect(held.artifacts.toSorted()).toEqual([hashOf('a'), hashOf('b')].sort());
  const unknown = client.artifactConfigGet({ query: { point: `6:${config_digest}` } }, { signal });
  await expect(unknown).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await put(9, { generation: 5, config_digest }, 'b');
  expect(await client.artifactList({}, { signal })).not.toHaveProperty('deletions_held');
});

test('a put at another generation, of an unwanted artifact, or of other bytes is refused (P2)', async () => {
  await using sled = await startTestSled();
  const generation = await sled.want('abc');
  const other = asGeneration(generation + 1);
  await expect(sled.put('abc', other)).rejects.toMatchObject({
    code: 'ARTIFACT_GENERATION',
    detail: { status: 409 },
  });
  await expect(sled.put('xyz', generation)).rejects.toMatchObject({
    code: 'ARTIFACT_NOT_IN_CONFIG',
    detail: { status: 400 },
  });
  const putAs = (body: string) =>
    fetch(`http://${sled.agent.agentAddress}/artifacts/${hashOf('abc')}?generation=${generation}`, {
      method: 'PUT',
      body,
    });
  for (const wrong of ['abd', 'ab', 'abcd']) {
    const answer = await putAs(wrong);
    expect([answer.status, ((await answer.json()) as { error_code: string }).error_code]).toEqual([
      400,
      'ARTIFACT_HASH_MISMATCH',
    ]);
  }
  expect((await sled.client.artifactList({}, { signal })).list).toEqual({});
  expect((await putAs('abc')).status).toBe(200);
});

test('a hash in upper case is the hash, in a config, a put and a fetch', async () => {
  await using sled = await startTestSled();
  const hash = hashOf('abc').toUpperCase();
  const base = `http://${sled.agent.agentAddress}`;
  const config = JSON.stringify({ generation: 1, artifacts: [hash], sizes: { [hash]: 3 } });
  const headers = { 'content-type': 'application/json' };
  const configured = await fetch(`${base}/artifacts-config`, { method: 'PUT', body: config, headers });
  const stored = await fetch(`${base}/artifacts/${hash}?generation=1`, { method: 'PUT', body: 'abc' });
  expect([configured.status, stored.status]).toEqual([204, 200]);
  const held = await sled.client.artifactConfigGet({ query: {} }, { signal });
  expect(held).toMatchObject({ artifacts: [hashOf('abc')], sizes: { [hashOf('abc')]: 3 } });
  expect((await sled.client.artifactList({}, { signal })).list).toEqual({ [hashOf('abc')]: 2 });
  const fetched = await fetch(`${sled.depotUrl}/artifact/sha256/${hash}`);
  expect([fetched.status, await fetched.text()]).toEqual([200, 'abc']);
});

test('an artifact larger than the limit is refused before its bytes', async () => {
  await using sled = await startTestSled({ limits: { artifact_bytes: 10 } });
  const generation = await sled.want('abc');
  await expect(sled.put('01234567890', generation)).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
});

test('metadata of a release beyond 64 MiB is refused before its bytes', async () => {
  await using sled = await startTestSled();
  const port = Number(sled.agent.agentAddress.split(':')[1]);
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(
    `PUT /release-metadata/${'a'.repeat(64)} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${MAX_BUNDLE_BYTES + 1}\r\n\r\n{`,
  );
  const [answer] = await once(socket, 'data');
  socket.destroy();
  expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
});

test('metadata of a release has its own limit, however few bytes an artifact may have', async () => {
  await using sled = await startTestSled({ limits: { artifact_bytes: 10 } });
  const answer = await fetch(`http://${sled.agent.agentAddress}/release-metadata/${'a'.repeat(64)}`, {
    method: 'PUT',
    body: 'x'.repeat(11),
  });
  const { error_code: code } = (await answer.json()) as { error_code: string };
  expect(code, 'which the handler answers').toBe('NO_ARTIFACT_CONFIG');
});

test('a put that is cut leaves nothing, and the same put works afterwards', async () => {
  await using sled = await startTestSled();
  const generation = await sled.want('0123456789');
  const socket = connect(Number(sled.agent.agentAddress.split(':')[1]), '127.0.0.1');
  const path = `/artifacts/${hashOf('0123456789')}?generation=${generation}`;
  socket.end(`PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n01234`);
  socket.resume();
  await new Promise(resolve => socket.once('close', resolve));
  expect((await sled.client.artifactList({}, { signal })).list).toEqual({});
  expect(await sled.put('0123456789', generation)).toEqual({ datasets: 2, successful_writes: 2 });
});

test('with every slot taken a put is answered 429, which is no error of the sled (B14)', async () => {
  await using sled = await startTestSled({ limits: { puts: 1 } });
  const generation = await sled.want('abc', 'slow');
  const finish = Promise.withResolvers<void>();
  const chunks = (async function* () {
    yield Buffer.from('sl');
    await finish.promise;
    yield Buffer.from('ow');
  })();
  const slow = sled.client.artifactPut(
    { params: { sha256: hashOf('slow') }, query: { generation }, body: { sizeBytes: 4, chunks } },
    { signal },
  );
  const names = () => readdir(sled.datasets[0]!);
  await expect.poll(async () => (await names()).some(name => name.startsWith(TEMPORARY_PREFIX))).toBe(true);
  await expect(sled.put('abc', generation)).rejects.toMatchObject({
    code: 'SLED_BUSY',
    detail: { status: 429, retry_after_s: 1 },
  });
  finish.resolve();
  expect(await slow).toEqual({ datasets: 2, successful_writes: 2 });
  expect(await sled.put('abc', generation)).toEqual({ datasets: 2, successful_writes: 2 });
});

test('a sled affirms the list with the tag that is named, and sends one that has changed (LT3)', async () => {
  await using sled = await startTestSled();
  const generation = await sled.want('abc');
  const { tag } = await sled.client.artifactList({}, { signal });
  expect(tag).toBeDefined();
  const unless = (ifNoneMatch = tag) => sled.client.artifactList({ ifNoneMatch }, { signal });
  expect(await unless()).toBeUndefined();
  expect(await unless('W/"other"')).toMatchObject({ generation, tag });
  const answer = await fetch(`http://${sled.agent.agentAddress}/artifacts`, {
    headers: { 'if-none-match': tag! },
  });
  expect([answer.status, answer.headers.get('etag'), await answer.text()]).toEqual([304, tag, '']);
  await sled.put('abc', generation);
  expect((await unless())?.list).toEqual({ [hashOf('abc')]: 2 });
});

test('a lease is taken, renewed, listed and returned over HTTP, and its file stays served (B6, P11)', async () => {
  await using sled = await startTestSled();
  await sled.put('abc', await sled.want('abc'));
  const params = { sha256: hashOf('abc'), id: LeaseId.parse('0f0e0d0c-0b0a-4908-8706-050403020100') };
  const take = (body: object) => sled.client.artifactLeasePut({ params, body }, { signal });
  expect(await take({})).toMatchObject({ ...params, term_s: 3_600 });
  const taken = await take({ term_s: 60, holder: 'installer' });
  expect(taken).toMatchObject({ term_s: 60, holder: 'installer', time_expires: expect.any(String) });
  expect(taken.remaining_s).toBeGreaterThan(0);
  for (const term_s of [0, 86_401, 1.5]) await expect(take({ term_s })).rejects.toThrow();
  const list = () => sled.client.artifactLeaseList({ params: { sha256: params.sha256 } }, { signal });
  expect((await list()).leases).toMatchObject([{ id: params.id, term_s: 60 }]);

  await sled.want('def');
  await sled.agent.store.reconcile('test', { signal });
  const listed = await sled.client.artifactList({}, { signal });
  expect(listed).toMatchObject({
    list: {},
    leases_total: 1,
    deletions_deferred: [{ sha256: params.sha256, leases: [{ holder: 'installer' }] }],
  });
  const url = `${sled.depotUrl}/artifact/sha256/${params.sha256}`;
  expect(await (await fetch(url)).text()).toBe('abc');
  for (let turn = 0; turn < 2; turn += 1) await sled.client.artifactLeaseDelete({ params }, { signal });
  await expect.poll(async () => (await fetch(url)).status).toBe(404);
  const other = { ...params, sha256: hashOf('def') };
  await expect(sled.client.artifactLeasePut({ params: other, body: {} }, { signal })).rejects.toMatchObject({
    code: 'ARTIFACT_NOT_HELD',
  });
});

test('the depot serves artifacts whole, in part, and with the hash as ETag (S2)', async () => {
  await using sled = await startTestSled();
  const generation = await sled.want('0123456789');
  await sled.put('0123456789', generation);
  const url = `${sled.depotUrl}/artifact/sha256/${hashOf('0123456789')}`;
  const whole = await fetch(url);
  expect([whole.headers.get('content-length'), whole.headers.get('etag'), await whole.text()]).toEqual([
    '10',
    `"${hashOf('0123456789')}"`,
    '0123456789',
  ]);
  expect(await (await fetch(url, { headers: { range: 'bytes=2-4' } })).text()).toBe('234');
  expect((await fetch(url, { method: 'HEAD' })).headers.get('content-length')).toBe('10');
  expect((await fetch(url, { headers: { range: 'bytes=10-' } })).status).toBe(416);
  const absent = await fetch(url.replace(/.{64}$/, hashOf('x')));
  expect([absent.status, await absent.json()]).toEqual([
    404,
    expect.objectContaining({ error_code: 'ARTIFACT_NOT_HELD' }),
  ]);
  expect((await fetch(`${sled.depotUrl}/artifact/sha256/nonsense`)).status).toBe(400);
});
