/** What the Repo Depot does with a copy that went bad at rest (G5). */
import { mkdir, mkdtemp, open, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SledAgentInfo } from '../api/internal-api.ts';
import { hashOf, neverAborts, startTestSled, type TestSled } from './sled.fixture.ts';

const signal = neverAborts();
const BYTES = Buffer.alloc(3 * 1024 * 1024 + 17, 'artifact');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'depot-api-'));
});
afterEach(() => rm(folder, { recursive: true }));

const rot = async (path: string, position: number): Promise<void> => {
  const file = await open(path, 'r+');
  try {
    await file.write(Buffer.of(0), 0, 1, position);
  } finally {
    await file.close();
  }
};

/** On one dataset, so that there is no other copy to serve. */
const startSled = async (): Promise<TestSled & { readonly path: string; readonly url: string }> => {
  const datasets = [join(folder, 'm2-a'), join(folder, 'm2-b')];
  for (const dataset of datasets) await mkdir(dataset);
  {
    await using before = await startTestSled({ datasets });
    await before.put(BYTES, await before.want(BYTES));
    // Or the next start begins with a cycle, and reads the copy before or after it rots.
    await before.agent.store.scrub.cycle({ signal });
  }
  // What was written by this process has just been hashed, and is believed for an hour.
  const sled = await startTestSled({ datasets });
  const ids = (await sled.agent.store.list()).datasetHealth.map(({ id }) => id!);
  await sled.agent.store.quarantine(hashOf(BYTES), ids[1]!, 'not needed here');
  const [path] = datasets.map(dataset => join(dataset, hashOf(BYTES)));
  return Object.assign(sled, {
    datasets,
    path: path!,
    url: `${sled.depotUrl}/artifact/sha256/${hashOf(BYTES)}`,
  });
};

const lastRegistered = (sled: TestSled): SledAgentInfo['datasets'] => sled.nexus.seen.at(-1)?.datasets;

test('an answer whose bytes are wrong is cut before its end; the copy is quarantined, and reported to Nexus at once (G5)', async () => {
  await using sled = await startSled();
  await expect.poll(() => lastRegistered(sled)?.map(each => each.quarantined ?? 0)).toEqual([0, 1]);
  await rot(sled.path, BYTES.length - 1);
  const answer = await fetch(sled.url);
  expect(answer.status).toBe(200);
  let received = 0;
  const reading = (async () => {
    for await (const chunk of answer.body!) received += chunk.byteLength;
  })();
  await expect(reading).rejects.toThrow();
  expect(received).toBeLessThan(BYTES.length);
  await expect.poll(async () => (await fetch(sled.url)).status).toBe(404);
  const { quarantined } = await sled.client.artifactList({}, { signal });
  expect(quarantined).toHaveLength(2);
  // No period of registration passes here.
  await expect.poll(() => lastRegistered(sled)?.map(each => each.quarantined)).toEqual([1, 1]);
  expect((await readdir(join(sled.datasets[0]!, 'quarantine'))).length).toBe(1);
});

test('a file that ends too early is not served as a shorter one, and is quarantined (G5)', async () => {
  await using sled = await startSled();
  const answer = await fetch(sled.url);
  await answer.body!.cancel();
  await truncate(sled.path, 100);
  expect((await fetch(sled.url)).status).toBe(404);
  await expect.poll(async () => (await sled.client.artifactList({}, { signal })).quarantined).toHaveLength(2);
});

test('a good copy stays, whole answers and ranges of it too (G5)', async () => {
  await using sled = await startSled();
  for (const headers of [{}, { range: 'bytes=0-99' }, { range: `bytes=${BYTES.length - 5}-` }]) {
    const bytes = Buffer.from(await (await fetch(sled.url, { headers })).arrayBuffer());
    expect(BYTES.includes(bytes)).toBe(true);
  }
  expect((await sled.client.artifactList({}, { signal })).quarantined).toHaveLength(1);
});
