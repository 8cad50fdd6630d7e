/** Which ledger a sled may trust: datasets that are gone, new, swapped, torn or behind. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { asGeneration, DatasetId } from '../../../core/ids.ts';
import { systemError } from '../../../lib/disk.fixture.ts';
import { copies, heldPoint, offer, put, reconcile, tellFloor, testArtifact } from '../artifact.fixture.ts';
import { readLedger, writeLedger } from '../files/ledger.ts';
import { createMachine, DIRECTORIES, type Machine } from '../memory-store.fixture.ts';
import type { ArtifactStore } from '../store.ts';

const [a, b] = [testArtifact(1), testArtifact(2)];
const [M0, M1] = DIRECTORIES;

const settled = async (machine: Machine): Promise<ArtifactStore> => {
  const store = await machine.start();
  await tellFloor(store, 1);
  await offer(store, 5, [a]);
  await put(store, a);
  return store;
};

const restart = async (
  machine: Machine,
  store: ArtifactStore,
  absent: readonly string[] = [],
): Promise<ArtifactStore> => {
  await store[Symbol.asyncDispose]();
  return machine.start({ absent });
};

const wipe = async (machine: Machine, directory: string): Promise<void> => {
  for (const path of machine.memory.files().keys()) {
    if (path.startsWith(directory)) await machine.memory.disk.unlink(path);
  }
};

const overwrite = async (machine: Machine, path: string, content: string | Uint8Array): Promise<void> => {
  await machine.memory.disk.unlink(path).catch(() => undefined);
  const file = await machine.memory.disk.createFile(path);
  await file.write(typeof content === 'string' ? new TextEncoder().encode(content) : content, 0);
  await file.sync();
};

const expectWaiting = async (store: ArtifactStore): Promise<void> => {
  expect(store.state().kind).toBe('awaiting_floor');
  await expect(offer(store, 9, [a])).rejects.toMatchObject({ code: 'AWAITING_FLOOR' });
  await expect(store.beginWrite(a.sha256, asGeneration(5))).rejects.toMatchObject({ code: 'AWAITING_FLOOR' });
};

test('a new sled accepts nothing before a floor, and nothing below it afterwards (P5)', async () => {
  const store = await createMachine().start();
  expect(store.config()).toBeUndefined();
  await expectWaiting(store);
  await tellFloor(store, 4);
  expect(store.state()).toMatchObject({ kind: 'awaiting_config', floor: 4 });
  await expect(store.beginWrite(a.sha256, asGeneration(4))).rejects.toMatchObject({ code: 'AWAITING_FLOOR' });
  await expect(offer(store, 3, [a])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  expect(await offer(store, 4, [a])).toBe('adopted');
  expect(store.state()).toEqual({ kind: 'ready' });
});

test('a floor of a database that was restored gives way to the next one (P5)', async () => {
  const store = await createMachine().start();
  await tellFloor(store, 9);
  await expect(offer(store, 4, [a])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  await tellFloor(store, 4);
  expect(await offer(store, 4, [a])).toBe('adopted');
});

test('a sled with all its datasets needs no floor after a restart, and stays the same incarnation (P5)', async () => {
  const machine = createMachine();
  const before = await settled(machine);
  const after = await restart(machine, before);
  expect(after.state()).toEqual({ kind: 'ready' });
  expect(after.incarnationId()).toBe(before.incarnationId());
  expect(after.config()).toEqual(before.config());
});

test('the incarnation of a sled that never got a config outlives a restart (P5)', async () => {
  const machine = createMachine();
  const before = await machine.start();
  const after = await restart(machine, before);
  expect(after.incarnationId()).toBe(before.incarnationId());
  expect(after.state().kind).toBe('awaiting_floor');
});

test('a sled with a dataset missing deletes nothing and accepts nothing until a floor, then only at or above it (P5)', async () => {
  const machine = createMachine();
  const store = await restart(machine, await settled(machine), [M1]);
  await expectWaiting(store);
  await overwrite(machine, `${M0}/${b.sha256}`, 'an artifact that this ledger does not know');
  expect(await reconcile(store)).toBe(0);
  await tellFloor(store, 7);
  expect(await reconcile(store), 'the config is below the floor: it may not say what to delete').toBe(0);
  await expect(offer(store, 6, [a])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  await expect(offer(store, 5, [a])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  expect(await offer(store, 7, [a])).toBe('adopted');
  await reconcile(store);
  expect((await store.list()).deletions).toMatchObject([{ sha256: b.sha256, generation: 7 }]);
});

test('a configured dataset that cannot be read may hold a newer ledger, whether or not one names it (P5)', async () => {
  const machine = createMachine();
  let store = await machine.start({ absent: [M1] });
  await tellFloor(store, 1);
  await offer(store, 5, [a]);
  store = await restart(machine, store, [M1]);
  await expectWaiting(store);
});

test('a dataset that a ledger names may hold a newer one, whether or not it is configured (P5)', async () => {
  const machine = createMachine();
  await (await settled(machine))[Symbol.asyncDispose]();
  await expectWaiting(await machine.start({ configured: [M0] }));
});

test('a new dataset beside a ledger may replace a lost one, also after a restart without an answer (P5)', async () => {
  const machine = createMachine();
  let store = await machine.start({ configured: [M0] });
  await tellFloor(store, 1);
  await offer(store, 5, [a]);
  store = await restart(machine, store);
  await expectWaiting(store);
  store = await restart(machine, store);
  await expectWaiting(store);
  await tellFloor(store, 5);
  store = await restart(machine, store);
  expect(store.state()).toEqual({ kind: 'ready' });
});

test('a floor at or below the ledger ends the wait at once; the next start asks again, since the lost disk may be elsewhere (P5)', async () => {
  const machine = createMachine();
  let store = await settled(machine);
  await store[Symbol.asyncDispose]();
  await wipe(machine, M1); // the disk was replaced
  store = await machine.start();
  await expectWaiting(store);
  await tellFloor(store, 5);
  expect(store.state()).toEqual({ kind: 'ready' });
  store = await restart(machine, store);
  await expectWaiting(store);
  await tellFloor(store, 5);
  expect(store.state()).toEqual({ kind: 'ready' });
  expect(await copies(store, a)).toBe(1);
});

test('after a crash a sled waits again for a floor that it had accepted (P5)', async () => {
  const machine = createMachine();
  let store = await restart(machine, await settled(machine), [M1]);
  await tellFloor(store, 7);
  store = await restart(machine, store, [M1]);
  await expectWaiting(store);
});

test('the latest of several floors counts, and one that is not awaited changes nothing (P5)', async () => {
  const machine = createMachine();
  const store = await machine.start();
  await tellFloor(store, 3);
  await tellFloor(store, 8);
  await expect(offer(store, 7, [])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  await offer(store, 8, []);
  await tellFloor(store, 20);
  expect(store.state()).toEqual({ kind: 'ready' });
  expect(await offer(store, 9, [])).toBe('adopted');
});

test('wiped of all datasets, the sled is a new incarnation (P5)', async () => {
  const machine = createMachine();
  const before = await settled(machine);
  await before[Symbol.asyncDispose]();
  for (const directory of DIRECTORIES) await wipe(machine, directory);
  const after = await machine.start();
  expect(after.incarnationId()).not.toBe(before.incarnationId());
  await expectWaiting(after);
});

test('the generation does not fall when the dataset with the newer ledger goes and the stale one returns (G6)', async () => {
  const machine = createMachine();
  let store = await restart(machine, await settled(machine), [M1]);
  await tellFloor(store, 5);
  await offer(store, 6, [a, b]); // `M1` still says 5
  await put(store, b);
  store = await restart(machine, store, [M0]);
  await expectWaiting(store);
  store = await restart(machine, store);
  expect(store.state()).toEqual({ kind: 'ready' });
  expect(store.config()!.generation).toBe(6);
  await reconcile(store);
  expect(await copies(store, b), 'the stale ledger of M1 was not asked').toBe(1);
  store = await restart(machine, store);
  expect(store.config()!.generation).toBe(6);
});

test('a dataset that returns to a running store has its ledger merged before its files are touched (P5)', async () => {
  const machine = createMachine();
  let store = await settled(machine);
  await store[Symbol.asyncDispose]();
  let absent: readonly string[] = [M1];
  const before = ({ path }: { path: string }) => {
    if (absent.some(directory => path.startsWith(directory))) throw systemError('ENOENT');
  };
  store = await machine.start({ before });
  await tellFloor(store, 5);
  await offer(store, 6, [b]);
  expect((await store.list()).datasets).toBe(1);
  absent = [];
  expect(await reconcile(store), 'the copy on the dataset that returned').toBe(1);
  expect((await store.list()).datasets).toBe(2);
  store = await restart(machine, store, []);
  expect(store.state()).toEqual({ kind: 'ready' });
  expect(store.config()!.generation).toBe(6);
});

test('a missing dataset that returns while a floor is awaited ends the wait (P5)', async () => {
  const machine = createMachine();
  const old = await settled(machine);
  await old[Symbol.asyncDispose]();
  let absent: readonly string[] = [M0];
  const before = ({ path }: { path: string }) => {
    if (absent.some(directory => path.startsWith(directory))) throw systemError('ENOENT');
  };
  const store = await machine.start({ before });
  await expectWaiting(store);
  absent = [];
  await reconcile(store);
  expect(store.state()).toEqual({ kind: 'ready' });
});

test('a directory that is empty where a dataset was is a disk that is gone, not a new dataset (P5)', async () => {
  const machine = createMachine();
  const store = await settled(machine);
  await wipe(machine, M1);
  await reconcile(store); // finds it empty
  await reconcile(store); // and does not make a dataset of it
  expect((await store.list()).datasetHealth[1]).toMatchObject({ state: 'missing' });
  expect([...machine.memory.files().keys()].filter(path => path.startsWith(M1))).toEqual([]);
});

test.each([
  ['cut short', (text: string) => text.slice(0, text.length / 2)],
  ['empty', () => ''],
  ['changed', (text: string) => text.replace('"generation":5', '"generation":4')],
])(
  'a ledger that is %s on one dataset is reported, quarantined and written again from the other (B15)',
  async (_, tear) => {
    const machine = createMachine();
    let store = await settled(machine);
    const whole = new TextDecoder().decode(machine.memory.files().get(`${M0}/artifact-config.json`));
    await store[Symbol.asyncDispose]();
    await overwrite(machine, `${M0}/artifact-config.json`, tear(whole));
    store = await machine.start();
    expect(store.state()).toEqual({ kind: 'ready' });
    expect(store.config()!.generation).toBe(5);
    const files = machine.memory.files();
    expect(new TextDecoder().decode(files.get(`${M0}/artifact-config.json`))).toBe(whole);
    expect([...files.keys()].some(path => path.startsWith(`${M0}/quarantine/artifact-config.json~`))).toBe(
      true,
    );
  },
);

test('with every ledger damaged the sled does not assume "no config": it waits, and deletes nothing (B15)', async () => {
  const machine = createMachine();
  const before = await settled(machine);
  await before[Symbol.asyncDispose]();
  for (const directory of DIRECTORIES) await overwrite(machine, `${directory}/artifact-config.json`, '{');
  const store = await machine.start();
  expect(store.incarnationId()).not.toBe(before.incarnationId());
  await expectWaiting(store);
  expect(await reconcile(store)).toBe(0);
  await tellFloor(store, 5);
  await offer(store, 5, [a]);
  expect(await copies(store, a)).toBe(2);
});

test('a ledger of a later format stops the start, and is not changed', async () => {
  const machine = createMachine();
  const store = await settled(machine);
  await store[Symbol.asyncDispose]();
  const later = JSON.stringify({ version: 4, checksum: '', body: {} });
  await overwrite(machine, `${M0}/artifact-config.json`, later);
  await expect(machine.start()).rejects.toMatchObject({ code: 'DATASET_VERSION' });
  expect(new TextDecoder().decode(machine.memory.files().get(`${M0}/artifact-config.json`))).toBe(later);
});

test('a lower generation is refused, an equal one must have equal content, and sizes do not count (S8)', async () => {
  const machine = createMachine();
  const store = await settled(machine);
  await expect(offer(store, 4, [a])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  await expect(offer(store, 5, [b])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  expect(await offer(store, 5, [a])).toBe('same');
  const artifacts = new Map([[a.sha256, undefined]]);
  const bare = { generation: asGeneration(6), artifacts, succeeds: heldPoint(store) };
  const { signal } = new AbortController();
  expect(await store.offerConfig(bare, { signal })).toBe('adopted');
  expect(await offer(store, 6, [a])).toBe('same');
  expect(store.config()!.artifacts.get(a.sha256), 'a length that was learnt later').toBe(a.bytes.length);
});

test('a config is adopted while one dataset cannot store a ledger, and refused when none can (ST5)', async () => {
  const machine = createMachine();
  let broken: readonly string[] = [];
  const store = await machine.start({
    before({ name, path }) {
      if (name === 'rename' && broken.some(directory => path.startsWith(directory))) throw systemError('EIO');
    },
  });
  await tellFloor(store, 1);
  broken = [M0];
  expect(await offer(store, 1, [a])).toBe('adopted');
  expect((await store.list()).datasetHealth.map(({ state }) => state)).toEqual(['failed', 'ok']);
  broken = [M0, M1];
  await expect(offer(store, 2, [a])).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  expect(store.config()!.generation).toBe(1);
  broken = [];
  await reconcile(store);
  expect(await offer(store, 2, [a])).toBe('adopted');
  expect((await store.list()).datasets).toBe(2);
});

/** `M0` is as `settled` left it alone, `M1` is new, and `M0` takes no ledger any more. */
const joinedWhileOldFails = async (machine: Machine) => {
  const old = await machine.start({ configured: [M0] });
  await tellFloor(old, 1);
  await offer(old, 5, [a]);
  await old[Symbol.asyncDispose]();
  let isBroken = true;
  const store = await machine.start({
    before({ name, path }) {
      if (isBroken && name === 'rename' && path.startsWith(M0)) throw systemError('EIO');
    },
  });
  return {
    store,
    mend: () => {
      isBroken = false;
    },
  };
};

test('a new dataset is never the only one with a config that the old dataset could not store (G6)', async () => {
  const machine = createMachine();
  const { store, mend } = await joinedWhileOldFails(machine);
  await expect(tellFloor(store, 5).then(() => offer(store, 6, [a, b]))).rejects.toMatchObject({
    code: 'NO_USABLE_DATASET',
  });
  expect(machine.memory.files().has(`${M1}/artifact-config.json`)).toBe(false);
  const acknowledged = store.config()!.generation;
  await store[Symbol.asyncDispose]();
  const alone = await machine.start({ configured: [M0] });
  expect(alone.state()).toEqual({ kind: 'ready' });
  expect(alone.config()!.generation).toBeGreaterThanOrEqual(acknowledged);
  mend();
});

test('once the old dataset names the new one, the new one may go on alone, and the old one alone is in doubt (G6)', async () => {
  const machine = createMachine();
  const { store, mend } = await joinedWhileOldFails(machine);
  await tellFloor(store, 5).catch(() => undefined);
  mend();
  await reconcile(store); // `M0` is taken back
  await tellFloor(store, 5);
  await offer(store, 6, [a, b]);
  let later = await restart(machine, store, [M0]);
  await tellFloor(later, 6);
  await offer(later, 7, [b]);
  await later[Symbol.asyncDispose]();
  later = await machine.start({ configured: [M0] });
  await expectWaiting(later);
});

test('two datasets that each went on alone are each in doubt when alone, whichever was last (G6)', async () => {
  const machine = createMachine();
  await (await settled(machine))[Symbol.asyncDispose]();
  for (const [generation, configured] of [
    [6, [M0]],
    [7, [M1]],
  ] as const) {
    const store = await machine.start({ configured });
    await expectWaiting(store);
    await tellFloor(store, generation);
    await offer(store, generation, [a]);
    await store[Symbol.asyncDispose]();
  }
  const first = await machine.start({ configured: [M0] });
  await expectWaiting(first); // and does not take its 6 for the newest
  await first[Symbol.asyncDispose]();
  const both = await machine.start();
  await expectWaiting(both); // until the database has said what it knows of each
  await tellFloor(both, 7);
  expect(both.state()).toEqual({ kind: 'ready' });
  expect(both.config()!.generation).toBe(7);
});

test('a ledger that does not name its own dataset still counts, and a floor ends the doubt (P5)', async () => {
  const machine = createMachine([M0]);
  await (await settled(machine))[Symbol.asyncDispose]();
  const { disk } = machine.memory;
  const read = await readLedger(disk, M0);
  if (read.kind !== 'whole') throw new Error('there is no ledger');
  const elsewhere = DatasetId.parse(randomUUID());
  await writeLedger(disk, M0, { ...read.ledger, datasets: [elsewhere] });
  const store = await machine.start();
  expect(store.state()).toMatchObject({ reason: expect.stringContaining(elsewhere) });
  await tellFloor(store, 6);
  expect(await offer(store, 6, [a])).toBe('adopted');
  expect(store.state()).toEqual({ kind: 'ready' });
});

test('when a disk returns over a mount point that became a dataset, the sled waits for a floor, and a restart loses nothing (K4, P5)', async () => {
  const machine = createMachine([M0]);
  await (await settled(machine))[Symbol.asyncDispose]();
  const disk = new Map(machine.memory.files());
  await wipe(machine, M0);
  const store = await machine.start();
  await tellFloor(store, 6);
  await offer(store, 6, [a, b]);
  await wipe(machine, M0);
  for (const [path, bytes] of disk) await overwrite(machine, path, bytes);
  await expect(put(store, b)).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  await reconcile(store);
  expect(store.state().kind, 'its ledger cannot be written there').toBe('awaiting_floor');
  await expect(put(store, b, 6)).rejects.toMatchObject({ code: 'AWAITING_FLOOR' });
  await tellFloor(store, 6);
  expect(await offer(store, 6, [a, b])).toBe('adopted');
  await put(store, b);
  const after = await restart(machine, store);
  await reconcile(after);
  expect(after.config()!.generation).toBe(6);
  expect(machine.memory.files().has(`${M0}/${b.sha256}`)).toBe(true);
});

test('a hold whose disks are gone is written again, before the next refusal is answered (K3, K4)', async () => {
  const machine = createMachine([M0]);
  await (await settled(machine))[Symbol.asyncDispose]();
  const disk = new Map(machine.memory.files());
  await wipe(machine, M0);
  const store = await machine.start();
  await tellFloor(store, 6);
  await offer(store, 6, [a, b]);
  await expect(offer(store, 5, [a, b])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  await wipe(machine, M0);
  for (const [path, bytes] of disk) await overwrite(machine, path, bytes);
  await expect(put(store, b, 6)).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  await reconcile(store);
  await tellFloor(store, 5, () => false);
  await expect(offer(store, 4, [a])).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  const ledger = machine.memory.files().get(`${M0}/artifact-config.json`);
  expect(JSON.parse(new TextDecoder().decode(ledger)).body.deletions_held).toBeDefined();
});

test('a write in flight when a sled falls back to a disk without a config is refused (K4)', async () => {
  const machine = createMachine([M0]);
  await (await machine.start())[Symbol.asyncDispose]();
  const disk = new Map(machine.memory.files());
  await wipe(machine, M0);
  const store = await machine.start();
  await tellFloor(store, 6);
  await offer(store, 6, [a, b]);
  await using writer = await store.beginWrite(b.sha256, asGeneration(6));
  await writer.write(b.bytes);
  await wipe(machine, M0);
  for (const [path, bytes] of disk) await overwrite(machine, path, bytes);
  await expect(put(store, a)).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  await reconcile(store);
  expect(store.state().kind).toBe('awaiting_floor');
  await expect(writer.commit()).rejects.toMatchObject({ code: expect.stringMatching(/^NO_/) });
  expect(machine.memory.files().has(`${M0}/${b.sha256}`)).toBe(false);
});

test('nothing is deleted on a disk that was mounted in the place of the opened one (DS3)', async () => {
  const machine = createMachine([M0]);
  const store = await settled(machine);
  await offer(store, 6, [a]);
  const identity = new TextDecoder().decode(machine.memory.files().get(`${M0}/dataset.json`));
  const { dataset_id } = JSON.parse(identity);
  await overwrite(machine, `${M0}/dataset.json`, identity.replace(dataset_id, randomUUID()));
  await overwrite(machine, `${M0}/${b.sha256}`, 'what the other disk holds, and this config does not list');
  await reconcile(store);
  expect(machine.memory.files().has(`${M0}/${b.sha256}`)).toBe(true);
  expect(machine.memory.files().has(`${M0}/${a.sha256}`)).toBe(true);
});
