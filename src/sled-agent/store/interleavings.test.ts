/** P2, each order of put, deletion and config forced by holding one disk operation. */
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { asGeneration } from '../../core/ids.ts';
import type { Operation } from '../../lib/disk.fixture.ts';
import { bytesOf, copies, offer, put, reconcile, tellFloor, testArtifact } from './artifact.fixture.ts';
import { createMachine, type Machine } from './memory-store.fixture.ts';
import type { ArtifactStore } from './store.ts';

const [a, b] = [testArtifact(1), testArtifact(2)];

/** Holds operations that match until released. */
const createGate = () => {
  let matches: (operation: Operation) => boolean = () => false;
  let release = () => {};
  let opened = Promise.resolve();
  let arrived = () => {};
  return {
    before: async (operation: Operation) => {
      if (!matches(operation)) return;
      arrived();
      await opened;
    },
    /** Resolves with a function that lets go, once an operation is held. */
    hold(which: (operation: Operation) => boolean): Promise<() => void> {
      matches = which;
      const held = Promise.withResolvers<() => void>();
      const gate = Promise.withResolvers<void>();
      opened = gate.promise;
      release = () => {
        matches = () => false;
        gate.resolve();
      };
      arrived = () => held.resolve(release);
      return held.promise;
    },
  };
};

const withStore = async (): Promise<{
  store: ArtifactStore;
  machine: Machine;
  gate: ReturnType<typeof createGate>;
}> => {
  const machine = createMachine();
  const gate = createGate();
  const store = await machine.start({ before: gate.before });
  await tellFloor(store, 1);
  await offer(store, 1, [a, b]);
  return { store, machine, gate };
};

const isOn =
  (name: Operation['name'], file: string) =>
  (operation: Operation): boolean =>
    operation.name === name && basename(operation.path) === file;

/** Whether it settles although everything that can run has run. */
const isPending = async (promise: Promise<unknown>): Promise<boolean> => {
  let pending = true;
  const done = () => {
    pending = false;
  };
  promise.then(done, done);
  for (let turn = 0; turn < 50; turn += 1) await setImmediate();
  return pending;
};

const leftovers = (machine: Machine): string[] =>
  [...machine.memory.files().keys()].filter(path => basename(path).startsWith('.tmp-'));

test('a config that wants an artifact again is adopted only after the unlink that is under way (P2)', async () => {
  const { store, gate } = await withStore();
  await put(store, a);
  const held = gate.hold(isOn('unlink', a.sha256));
  await offer(store, 2, [b]);
  const release = await held;
  const adoption = offer(store, 3, [a, b]);
  expect(await isPending(adoption)).toBe(true);
  expect(store.config()!.generation, 'not published either').toBe(2);
  release();
  expect(await adoption).toBe('adopted');
  // Nexus now lists what is true, and puts it again.
  expect(await copies(store, a)).toBe(0);
  await put(store, a);
  await reconcile(store);
  expect(await copies(store, a)).toBe(2);
});

test('a deletion that was decided by an old config asks again before it unlinks (P2)', async () => {
  const { store, gate } = await withStore();
  await put(store, a);
  // The pass has read the directories and is about to look at the last one's sizes.
  const held = gate.hold(({ name, path }) => name === 'sizeOf' && path === `/m2-1/${a.sha256}`);
  await offer(store, 2, [b]);
  const release = await held;
  const readded = offer(store, 3, [a, b]);
  await readded;
  release();
  await reconcile(store);
  expect(await copies(store, a)).toBe(2);
  expect((await store.list()).deletionsTotal).toBe(0);
});

test('a put racing a deletion of the same hash: the unlink waits for the rename, and asks the config then (P2)', async () => {
  const { store, gate, machine } = await withStore();
  const held = gate.hold(({ name, path }) => name === 'rename' && path === `/m2-0/${a.sha256}`);
  const putting = put(store, a);
  const release = await held;
  await offer(store, 2, [b]); // its pass finds the copy on the other dataset, and waits
  const reconciling = reconcile(store);
  expect(await isPending(reconciling)).toBe(true);
  release();
  expect(await putting).toEqual({ datasets: 2, successfulWrites: 2 });
  await reconciling;
  await reconcile(store);
  expect([...machine.memory.files().keys()].filter(path => path.endsWith(a.sha256))).toEqual([]);
  expect(leftovers(machine)).toEqual([]);
});

test('a put that begins while the artifact is being deleted does not take the old file for the new one (P2)', async () => {
  const { store, gate } = await withStore();
  await put(store, a);
  const held = gate.hold(isOn('unlink', a.sha256));
  await offer(store, 2, [b]);
  const release = await held;
  const adoption = offer(store, 3, [a, b]);
  const putting = adoption.then(() => put(store, a));
  release();
  expect(await putting).toEqual({ datasets: 2, successfulWrites: 2 });
  await reconcile(store);
  expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
  expect(await copies(store, a)).toBe(2);
});

test('a put whose artifact is pruned before its end is refused and leaves nothing (P2)', async () => {
  const { store, gate, machine } = await withStore();
  const held = gate.hold(({ name, path }) => name === 'sync' && path.includes(a.sha256));
  const putting = put(store, a);
  const release = await held;
  await offer(store, 2, [b]);
  release();
  await expect(putting).rejects.toMatchObject({ code: 'ARTIFACT_NOT_IN_CONFIG' });
  await reconcile(store);
  expect([...machine.memory.files().keys()].filter(path => path.includes(a.sha256))).toEqual([]);
});

test('a put survives a new generation that still wants the artifact, and none may begin at the old one (P2)', async () => {
  const { store } = await withStore();
  await using writer = await store.beginWrite(a.sha256, asGeneration(1));
  await writer.write(a.bytes);
  await offer(store, 2, [a]);
  expect(await writer.commit()).toEqual({ datasets: 2, successfulWrites: 2 });
  await expect(store.beginWrite(a.sha256, asGeneration(1))).rejects.toMatchObject({
    code: 'ARTIFACT_GENERATION',
  });
  await expect(store.beginWrite(a.sha256, asGeneration(3))).rejects.toMatchObject({
    code: 'ARTIFACT_GENERATION',
  });
});

test('a config is published only when its ledger is durable (P2)', async () => {
  const { store, gate } = await withStore();
  const held = gate.hold(({ name, path }) => name === 'syncDirectory' && path === '/m2-1');
  const adoption = offer(store, 2, [a]);
  const release = await held;
  expect(await isPending(adoption)).toBe(true);
  expect(store.config()!.generation).toBe(1);
  release();
  await adoption;
  expect(store.config()!.generation).toBe(2);
});

test('a deletion pass that was cut short is finished by the next one (G2)', async () => {
  const { store } = await withStore();
  await put(store, a);
  await put(store, b);
  const stopped = AbortSignal.abort(new Error('stop'));
  await offer(store, 2, []);
  await expect(store.reconcile('test', { signal: stopped })).resolves.toBe(0);
  await reconcile(store);
  expect((await store.list()).deletionsTotal).toBe(2);
});

test('a copy whose name is not durable yet is not listed: a power cut may take it (ST2, G4)', async () => {
  const { store, gate } = await withStore();
  const held = gate.hold(({ name }) => name === 'syncDirectory');
  const putting = put(store, a);
  const release = await held;
  expect(await copies(store, a)).toBe(0);
  release();
  expect(await putting).toEqual({ datasets: 2, successfulWrites: 2 });
  expect(await copies(store, a)).toBe(2);
});
