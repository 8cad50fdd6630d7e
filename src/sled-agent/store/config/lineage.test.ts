/** A sled and a database that lost commits: what it refuses, holds and keeps, through restarts and with any disk away. */
import { expect, test } from 'vitest';
import { asGeneration, type Point } from '../../../core/ids.ts';
import { systemError } from '../../../lib/disk.fixture.ts';
import {
  configOf,
  heldPoint,
  offer,
  offerByNumber,
  put,
  reconcile,
  type TestArtifact,
  tellFloor,
  testArtifact,
} from '../artifact.fixture.ts';
import { encodeChecked } from '../files/checked-file.ts';
import { createMachine, DIRECTORIES, type Machine } from '../memory-store.fixture.ts';
import { pointOf } from '../point.ts';
import type { ArtifactStore } from '../store.ts';

const [a, b, c] = [testArtifact(1), testArtifact(2), testArtifact(3)];
const [M0, M1] = DIRECTORIES;
const pointAt = (generation: number, artifacts: readonly TestArtifact[]): Point =>
  pointOf(configOf(generation, artifacts));

/** At generation 5, with these artifacts stored on both datasets. */
const settled = async (machine: Machine, ...artifacts: TestArtifact[]): Promise<ArtifactStore> => {
  const store = await machine.start();
  await tellFloor(store, 1);
  await offer(store, 5, artifacts);
  for (const artifact of artifacts) await put(store, artifact);
  return store;
};

const restarted = async (machine: Machine, store: ArtifactStore): Promise<ArtifactStore> => {
  await store[Symbol.asyncDispose]();
  return machine.start();
};

const isOn = (machine: Machine, directory: string, { sha256 }: TestArtifact): boolean =>
  machine.memory.files().has(`${directory}/${sha256}`);

/** What a disk says that went on alone, without the other one. */
const goOnAlone = async (
  machine: Machine,
  directory: string,
  generation: number,
  artifacts: readonly TestArtifact[],
): Promise<void> => {
  await using store = await machine.start({ configured: [directory] });
  await tellFloor(store, 1);
  await offer(store, generation, artifacts);
  for (const artifact of artifacts) await put(store, artifact);
};

test('a config of a database that lost commits and counted past them is refused, and nothing is deleted, restarts included (P13)', async () => {
  const machine = createMachine();
  let store = await settled(machine, a, b);
  await expect(offer(store, 9, [b], pointAt(4, [a]))).rejects.toMatchObject({
    code: 'CONFIG_GENERATION',
    detail: { reason: 'not_successor', held: 5, held_digest: pointAt(5, [a, b]).digest, held_lineage: true },
  });
  await expect(offer(store, 9, [b], 'unknown')).rejects.toMatchObject({
    detail: { reason: 'not_successor' },
  });
  expect(store.config()!.generation).toBe(5);
  store = await restarted(machine, store);
  await reconcile(store);
  expect((await store.list()).hold?.reason).toContain('does not succeed it');
  for (const directory of DIRECTORIES) expect(isOn(machine, directory, a)).toBe(true);
  await expect(store.open(a.sha256)).resolves.toMatchObject({ sha256: a.sha256 });
});

test('a config older than the one held makes a sled hold deletions until it is offered its own again (P13)', async () => {
  const machine = createMachine();
  const store = await settled(machine, a, b);
  await offer(store, 6, [b]);
  await reconcile(store);
  expect(isOn(machine, M0, a)).toBe(false);
  await expect(offer(store, 5, [a, b])).rejects.toMatchObject({ detail: { reason: 'older' } });
  expect((await store.list()).hold).toMatchObject({ reason: expect.stringContaining('older') });
  expect(await offer(store, 6, [b], 'unknown'), 'whatever it says that it succeeds').toBe('same');
  expect((await store.list()).hold).toBeUndefined();
});

test('a successor ends a hold, and artifacts that it does not list are deleted then (P13)', async () => {
  const machine = createMachine();
  const store = await settled(machine, a, b);
  await expect(offer(store, 5, [b])).rejects.toMatchObject({ detail: { reason: 'differs' } });
  await reconcile(store);
  expect(isOn(machine, M0, a)).toBe(true);
  expect(await offer(store, 7, [b])).toBe('adopted');
  await reconcile(store);
  expect(isOn(machine, M0, a)).toBe(false);
});

test('a larger set is adopted although the database does not know what the sled holds, since nothing is lost (P13)', async () => {
  const store = await settled(createMachine(), a);
  expect(await offer(store, 6, [a, b], 'unknown')).toBe('adopted');
  await expect(offer(store, 7, [b], 'unknown')).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
});

test('a refusal is answered only when the hold is durable; if no dataset takes it, nothing is deleted either (P13)', async () => {
  const machine = createMachine();
  let isBroken = false;
  const first = await settled(machine, a, b);
  await first[Symbol.asyncDispose]();
  const store = await machine.start({
    before({ name, path }) {
      if (isBroken && name === 'rename' && path.includes('artifact-config')) throw systemError('EIO');
    },
  });
  isBroken = true;
  for (let again = 0; again < 2; again += 1)
    await expect(offer(store, 9, [b], 'unknown')).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  isBroken = false;
  await reconcile(store);
  await expect(offer(store, 9, [b], 'unknown')).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  expect(isOn(machine, M0, a)).toBe(true);
  expect((await (await restarted(machine, store)).list()).hold, 'after a restart').toBeDefined();
});

test('a refusal after half of an adoption holds on, also when the disk comes back with that half (P13)', async () => {
  const machine = createMachine([M0]);
  let isBroken = false;
  await (await settled(machine, a, b))[Symbol.asyncDispose]();
  const store = await machine.start({
    before({ name }) {
      if (isBroken && name === 'syncDirectory') throw systemError('EIO'); // once the ledger has its name
    },
  });
  isBroken = true;
  await expect(offer(store, 6, [b])).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  isBroken = false;
  await expect(offer(store, 7, [b], 'unknown')).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  await reconcile(store);
  expect(store.config()!.generation, 'what the disk has').toBe(6);
  await reconcile(store);
  expect(isOn(machine, M0, a)).toBe(true);
  expect(await offer(store, 6, [b], 'unknown'), 'its own point').toBe('same');
  await reconcile(store);
  expect(isOn(machine, M0, a)).toBe(false);
});

test('half of an adoption that ends a hold takes nothing from the refusal after it, restarts included (P13)', async () => {
  const machine = createMachine([M0]);
  let isBroken = false;
  await (await settled(machine, a, b))[Symbol.asyncDispose]();
  const store = await machine.start({
    before({ name }) {
      if (isBroken && name === 'syncDirectory') throw systemError('EIO'); // once the ledger has its name
    },
  });
  await expect(offer(store, 9, [c], 'unknown')).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  isBroken = true;
  await expect(offer(store, 6, [b])).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  isBroken = false;
  // The disk may have generation 6, which holds nothing: an answer of this refusal would promise more than that.
  await expect(offer(store, 9, [c], 'unknown')).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  await reconcile(store); // the disk is opened again
  await expect(offer(store, 9, [c], 'unknown')).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
  const again = await restarted(machine, store);
  await reconcile(again);
  expect((await again.list()).hold, 'after a restart').toBeDefined();
  expect(isOn(machine, M0, a)).toBe(true);
});

test('a sled in doubt that refuses a config holds on after the doubt is gone, restarts included (P13, P5)', async () => {
  const machine = createMachine();
  const first = await settled(machine, a, b);
  await offer(first, 6, [b]);
  await first[Symbol.asyncDispose]();
  for (const floor of [6, 9]) {
    const doubting = await machine.start({ absent: [M1] });
    await tellFloor(doubting, floor, () => false);
    await expect(offer(doubting, 8, [a], 'unknown')).rejects.toMatchObject({ code: 'CONFIG_GENERATION' });
    await doubting[Symbol.asyncDispose]();
    const after = await machine.start();
    expect(after.state()).toEqual({ kind: 'ready' });
    await reconcile(after);
    expect(isOn(machine, M0, a)).toBe(true);
    await after[Symbol.asyncDispose]();
  }
});

test('a config below the floor makes a sled hold deletions too (P13, P5)', async () => {
  const machine = createMachine();
  await (await settled(machine, a))[Symbol.asyncDispose]();
  const store = await machine.start({ absent: [M1] });
  await tellFloor(store, 9, () => false);
  await expect(offer(store, 8, [a, b])).rejects.toMatchObject({ detail: { reason: 'below_floor' } });
  expect((await store.list()).hold?.reason).toContain("this sled's floor is 9");
});

test('a sled that adopted a lineage refuses a config without one, and a sled that never did goes by numbers (P13)', async () => {
  const store = await settled(createMachine(), a);
  await expect(offerByNumber(store, 6, [a, b])).rejects.toMatchObject({ detail: { reason: 'no_lineage' } });
  expect(await offerByNumber(store, 5, [a]), 'its own point').toBe('same');

  const other = await createMachine().start();
  await other.acceptFloor({ generation: asGeneration(1), digest: undefined });
  expect(await offerByNumber(other, 5, [a])).toBe('adopted');
  expect(await offerByNumber(other, 6, [b])).toBe('adopted');
  expect(other.claims()).toMatchObject([{ generation: 6, hasLineage: false }]);
  expect(await offer(other, 6, [b], 'unknown'), 'its own point, from a database with a lineage').toBe('same');
  await expect(offerByNumber(other, 7, [a])).rejects.toMatchObject({ detail: { reason: 'no_lineage' } });
});

test('a ledger from before lineage has none until a config with one is adopted (P13)', async () => {
  const machine = createMachine([M0]);
  await (await settled(machine, a))[Symbol.asyncDispose]();
  const path = `${M0}/artifact-config.json`;
  const { body } = JSON.parse(new TextDecoder().decode(machine.memory.files().get(path)));
  const { lineage: _, previous: __, ...before } = body;
  await machine.memory.disk.unlink(path);
  const file = await machine.memory.disk.createFile(path);
  await file.write(new TextEncoder().encode(encodeChecked(1, before)), 0);
  await file.sync();
  const store = await machine.start();
  expect(store.claims()).toMatchObject([{ generation: 5, hasLineage: false }]);
  await offer(store, 6, [a]);
  expect(store.claims()).toMatchObject([{ generation: 6, hasLineage: true }]);
});

test('a crash between the ledgers of two datasets causes no doubt: the newer one names its predecessor (P13)', async () => {
  const machine = createMachine();
  const store = await settled(machine, a);
  const old = new Map(machine.memory.files());
  await offer(store, 6, [a, b]);
  await store[Symbol.asyncDispose]();
  const path = `${M1}/artifact-config.json`;
  await machine.memory.disk.unlink(path);
  const file = await machine.memory.disk.createFile(path);
  await file.write(old.get(path)!, 0);
  await file.sync();
  const after = await machine.start();
  expect(after.state()).toEqual({ kind: 'ready' });
  expect(after.config()!.generation).toBe(6);
});

test('two configs of one generation wait for the database, and the one that it does not know is the sled’s point (P13, B5)', async () => {
  const machine = createMachine();
  await (await settled(machine, a))[Symbol.asyncDispose]();
  await goOnAlone(machine, M0, 6, [a, b]);
  await goOnAlone(machine, M1, 6, [a, c]);
  const store = await machine.start();
  expect(store.state()).toMatchObject({
    kind: 'awaiting_floor',
    reason: expect.stringContaining('2 different'),
  });
  await reconcile(store);
  await store.acceptFloor({ generation: asGeneration(6), digest: undefined });
  expect(store.state().kind, 'a Nexus that says nothing of heads ends no such doubt').toBe('awaiting_floor');
  expect(store.configAt(pointAt(6, [a, b]))!.artifacts.has(b.sha256)).toBe(true);

  const known = pointAt(6, [a, c]);
  await tellFloor(store, 6, ({ digest }) => digest === known.digest);
  expect(store.state()).toEqual({ kind: 'ready' });
  expect(heldPoint(store)).toEqual(pointAt(6, [a, b]));
  expect((await store.list()).hold).toBeDefined();
  await expect(offer(store, 7, [c], known)).rejects.toMatchObject({ detail: { reason: 'not_successor' } });
  await reconcile(store);
  expect([isOn(machine, M0, b), isOn(machine, M1, c)]).toEqual([true, true]);
});

test('an unknown config on a disk that returns is kept with its set, until a recovery has decided on it (P13)', async () => {
  const machine = createMachine();
  await (await settled(machine, a))[Symbol.asyncDispose]();
  await goOnAlone(machine, M1, 6, [a, b]); // of commits that are lost
  const lost = pointAt(6, [a, b]);
  await goOnAlone(machine, M0, 7, [a, c]);
  let store = await machine.start();
  await tellFloor(store, 7, ({ digest }) => digest !== lost.digest);
  expect(heldPoint(store)).toEqual(pointAt(7, [a, c]));
  expect((await store.list()).pointsKept).toEqual([lost]);

  await offer(store, 8, [c]);
  store = await restarted(machine, store);
  expect(store.state()).toEqual({ kind: 'ready' });
  await reconcile(store);
  expect(isOn(machine, M1, b), 'listed by the kept config alone').toBe(true);
  expect(isOn(machine, M0, a), 'listed by it too').toBe(true);
  expect((await store.list()).deletionsDeferred.map(each => each.reason)[0]).toContain('until a recovery');
  expect(store.configAt(lost)!.artifacts.has(b.sha256)).toBe(true);
  expect(store.claims()).toContainEqual({ ...lost, hasLineage: true, isKept: true });

  await tellFloor(store, 8); // a recovery has accepted the point
  await reconcile(store);
  expect((await store.list()).pointsKept).toEqual([]);
  expect([isOn(machine, M1, b), isOn(machine, M0, a)]).toEqual([false, false]);
  expect([...machine.memory.files().keys()].filter(path => path.includes('kept-config'))).toEqual([]);
});

test('a database that is restored to the history of a kept config knows it, but has not decided on it (P13)', async () => {
  const machine = createMachine();
  await (await settled(machine, a))[Symbol.asyncDispose]();
  await goOnAlone(machine, M1, 6, [a, b]);
  await goOnAlone(machine, M0, 7, [a, c]);
  const store = await machine.start();
  const restored = pointAt(6, [a, b]);
  await tellFloor(store, 7, ({ digest }) => digest !== restored.digest);
  await tellFloor(store, 6, ({ digest }) => digest === restored.digest);
  await reconcile(store);
  expect((await store.list()).pointsKept, 'this sled goes by another config').toEqual([restored]);
  expect(isOn(machine, M1, b)).toBe(true);
});

test('below a head that the database does not know, one that it knows is kept too (P13)', async () => {
  const machine = createMachine();
  await (await settled(machine, a))[Symbol.asyncDispose]();
  await goOnAlone(machine, M1, 6, [a, b]);
  await goOnAlone(machine, M0, 7, [a, c]);
  const store = await machine.start();
  const known = pointAt(6, [a, b]);
  await tellFloor(store, 6, ({ digest }) => digest === known.digest);
  expect(heldPoint(store)).toEqual(pointAt(7, [a, c]));
  expect((await store.list()).pointsKept).toEqual([known]);
});

test('a floor from before a disk returned with another config is no answer on that config (P13)', async () => {
  const machine = createMachine();
  await (await settled(machine, a))[Symbol.asyncDispose]();
  await goOnAlone(machine, M1, 6, [a, b]);
  await goOnAlone(machine, M0, 7, [a, c]);
  const away: string[] = [M1];
  const store = await machine.start({ absent: away });
  await tellFloor(store, 8);
  expect(store.state().kind).toBe('awaiting_config');
  away.length = 0;
  await reconcile(store);
  expect(store.state().kind, 'another answer is needed').toBe('awaiting_floor');
  await expect(offer(store, 8, [a, c])).rejects.toMatchObject({ code: 'AWAITING_FLOOR' });
  await reconcile(store);
  expect(isOn(machine, M1, b)).toBe(true);
});

test('a kept config whose only file cannot be read keeps everything (P13)', async () => {
  const machine = createMachine([M0]);
  await (await settled(machine, a))[Symbol.asyncDispose]();
  const { generation, digest } = pointAt(4, [b]);
  const file = await machine.memory.disk.createFile(`${M0}/kept-config-${generation}-${digest}.json`);
  await file.write(new TextEncoder().encode('torn'), 0);
  await file.sync();
  const store = await machine.start();
  await offer(store, 6, []);
  await reconcile(store);
  expect(isOn(machine, M0, a)).toBe(true);
});

test('with a disk missing a ledger is trusted at the floor only if the database knows its point (P5, P13)', async () => {
  const machine = createMachine();
  await (await settled(machine, a, b))[Symbol.asyncDispose]();
  const store = await machine.start({ absent: [M1] });
  await tellFloor(store, 3, () => false);
  expect(store.state()).toMatchObject({ kind: 'awaiting_config', floor: 3 });
  await expect(offer(store, 9, [b], 'unknown')).rejects.toMatchObject({ detail: { held: 5 } });
  expect(await offer(store, 9, [b]), 'once its point is known').toBe('adopted');
});

test('a write of a Nexus is for one wanted set, not for one number (P13)', async () => {
  const store = await settled(createMachine(), a);
  const write = (digest: string) => store.beginWrite(a.sha256, asGeneration(5), { digest });
  await expect(write(pointAt(5, [b]).digest)).rejects.toMatchObject({ code: 'ARTIFACT_GENERATION' });
  await using writer = await write(pointAt(5, [a]).digest);
  await writer.abort();
});
