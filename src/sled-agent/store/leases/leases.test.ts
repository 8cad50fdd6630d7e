/** Leases: what is in use is kept past the config that drops it (B6, P11), whatever happens to the process. */
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { MAX_LEASE_TERM_S } from '../../../api/sled-agent-api.ts';
import { LeaseId } from '../../../core/ids.ts';
import { createTestClock } from '../../../lib/clock.fixture.ts';
import { type Operation, systemError } from '../../../lib/disk.fixture.ts';
import {
  bytesOf,
  copies,
  offer,
  put,
  reconcile,
  type TestArtifact,
  tellFloor,
  testArtifact,
} from '../artifact.fixture.ts';
import { createMachine, DIRECTORIES, type Machine } from '../memory-store.fixture.ts';
import type { ArtifactStore, Lease } from '../store.ts';
import { MAX_LEASES, MAX_LEASES_OF_HOLDER, MAX_LEASES_OF_PEER } from './lease-limits.ts';

const [a, b] = [testArtifact(1), testArtifact(2)];
const [M0, M1] = DIRECTORIES;
const HOUR_MS = 3_600_000;

const idOf = (n: number) => LeaseId.parse(`00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`);
const leaseOf = ({ sha256 }: TestArtifact, n = 1, termMs = HOUR_MS): Lease => ({
  sha256,
  id: idOf(n),
  holder: `installer ${n}`,
  termMs,
});

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 100; turn += 1) await new Promise(resolve => setImmediate(resolve));
};

/** A sled that holds `a` at generation 1. */
const settled = async (before?: (operation: Operation) => void | Promise<void>) => {
  const machine = createMachine();
  const clock = createTestClock();
  const store = await machine.start({ clock, ...(before && { before }) });
  await tellFloor(store, 1);
  await offer(store, 1, [a]);
  await put(store, a);
  return { machine, clock, store };
};

const fileOf = (machine: Machine, directory: string): string =>
  new TextDecoder().decode(machine.memory.files().get(`${directory}/leases.json`));

const overwrite = async (machine: Machine, path: string, text: string): Promise<void> => {
  await machine.memory.disk.unlink(path);
  const file = await machine.memory.disk.createFile(path);
  await file.write(new TextEncoder().encode(text), 0);
  await file.sync();
};

test('the newer config is adopted, a leased file is kept, named and served, and deleted when its lease is returned (B6)', async () => {
  const { store } = await settled();
  const lease = await store.takeLease(leaseOf(a));
  expect(lease).toMatchObject({ remainingMs: HOUR_MS, timeExpiresMs: Date.parse('2026-01-01T01:00:00Z') });
  expect(await offer(store, 2, [])).toBe('adopted');
  expect(await reconcile(store)).toBe(0);
  expect((await store.list()).deletionsDeferred).toMatchObject([
    {
      sha256: a.sha256,
      reason: 'in use by installer 1, until 2026-01-01T01:00:00.000Z unless returned or renewed',
      leases: [{ id: idOf(1), holder: 'installer 1' }],
    },
  ]);
  expect(await copies(store, a), 'the list has only what the config lists').toBe(0);
  expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
  await store.returnLease(a.sha256, idOf(1));
  await settle();
  await expect(store.open(a.sha256), 'gone at once').rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  expect(await store.list()).toMatchObject({ deletionsTotal: 1, deletionsDeferred: [], leasesTotal: 0 });
  await store.returnLease(a.sha256, idOf(1)); // idempotent
});

test('a lease expires on the monotonic clock, a renewal counts from itself, and the last one frees the file (P11)', async () => {
  const { store, clock } = await settled();
  await store.takeLease(leaseOf(a, 1));
  await store.takeLease(leaseOf(a, 2));
  await offer(store, 2, []);
  await clock.advance(HOUR_MS - 1);
  await store.takeLease(leaseOf(a, 1));
  await clock.advance(HOUR_MS - 1);
  await settle();
  expect(
    store.leases(a.sha256).map(({ id }) => id),
    'the second expired, the first was renewed',
  ).toEqual([idOf(1)]);
  expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
  await clock.advance(1);
  await settle();
  await expect(store.open(a.sha256)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
});

test('a lease is persisted before the answer, on every dataset, and has its full term after a restart (P11)', async () => {
  const { store, machine, clock } = await settled();
  await store.takeLease(leaseOf(a));
  expect(fileOf(machine, M0)).toContain(idOf(1));
  expect(fileOf(machine, M1)).toBe(fileOf(machine, M0));
  await clock.advance(HOUR_MS - 5);
  machine.powerCut(1);
  const after = await machine.start({ clock });
  await offer(after, 2, []);
  expect(after.leases(a.sha256)).toMatchObject([{ ...leaseOf(a), remainingMs: HOUR_MS }]);
  await clock.advance(HOUR_MS - 1);
  expect(await reconcile(after)).toBe(0);
  await clock.advance(1);
  await settle();
  expect((await after.list()).deletionsTotal).toBe(1);
  expect(fileOf(machine, M0), 'and its end is on disk').not.toContain(idOf(1));
});

test('only a held artifact can be leased, whatever the config lists (P11)', async () => {
  const { store, machine } = await settled();
  await offer(store, 2, [a, b]);
  await expect(store.takeLease(leaseOf(b))).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  for (const directory of DIRECTORIES) {
    const file = await machine.memory.disk.openFile(`${directory}/${a.sha256}`);
    await file.truncate(10);
  }
  await expect(store.takeLease(leaseOf(a)), 'cut short').rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  expect(machine.memory.files().has(`${M0}/leases.json`)).toBe(false);
});

/** Holds the operation that matches until released. */
const createGate = (matches: (operation: Operation) => boolean) => {
  const held = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let isArmed = false;
  return {
    held: held.promise,
    release: opened.resolve,
    arm: () => {
      isArmed = true;
    },
    before: async (operation: Operation) => {
      if (!isArmed || !matches(operation)) return;
      held.resolve();
      await opened.promise;
    },
  };
};

test('when the unlink is first, the lease is refused (P2)', async () => {
  const gate = createGate(({ name, path }) => name === 'unlink' && basename(path) === a.sha256);
  const { store } = await settled(gate.before);
  gate.arm();
  await offer(store, 2, []);
  await gate.held;
  const taking = store.takeLease(leaseOf(a));
  taking.catch(() => undefined);
  await settle();
  gate.release();
  await expect(taking).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
});

test('when the lease is first, the deletion waits for it and leaves the file (P2)', async () => {
  const gate = createGate(({ name, path }) => name === 'sync' && path.includes('leases.json'));
  const { store } = await settled(gate.before);
  gate.arm();
  const taking = store.takeLease(leaseOf(a));
  await gate.held;
  await offer(store, 2, []);
  await settle();
  gate.release();
  await taking;
  await reconcile(store);
  expect(await bytesOf(await store.open(a.sha256))).toEqual(a.bytes);
  expect((await store.list()).deletionsTotal).toBe(0);
});

test('a lease that no dataset stored is refused, and one that a dataset stored is granted (P11)', async () => {
  let broken: readonly string[] = [];
  const { store } = await settled(({ name, path }) => {
    if (name === 'rename' && path.endsWith('leases.json') && broken.some(each => path.startsWith(each)))
      throw systemError('EIO');
  });
  broken = [M0];
  await store.takeLease(leaseOf(a, 1));
  broken = DIRECTORIES;
  await expect(store.takeLease(leaseOf(a, 2))).rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
  expect(store.leases(a.sha256)).toHaveLength(1);
});

test('the union counts: a dataset that was away keeps what was leased on it (P11)', async () => {
  const { store, machine, clock } = await settled();
  await store[Symbol.asyncDispose]();
  const alone = await machine.start({ clock, absent: [M1] });
  await tellFloor(alone, 1);
  await alone.takeLease(leaseOf(a));
  await alone[Symbol.asyncDispose]();
  const other = await machine.start({ clock, absent: [M0] });
  await tellFloor(other, 2);
  await offer(other, 2, []);
  await reconcile(other);
  await other[Symbol.asyncDispose]();
  const both = await machine.start({ clock });
  await reconcile(both);
  expect(await bytesOf(await both.open(a.sha256))).toEqual(a.bytes);
  expect(fileOf(machine, M1)).toContain(idOf(1));
});

test('a returned lease does not come back with a dataset that was away (P11)', async () => {
  const { store, machine, clock } = await settled();
  await store.takeLease(leaseOf(a));
  await store[Symbol.asyncDispose]();
  let absent: readonly string[] = [];
  const before = ({ path }: Operation) => {
    if (absent.some(directory => path.startsWith(directory))) throw systemError('ENOENT');
  };
  const running = await machine.start({ clock, before });
  absent = [M1];
  await running.list();
  await running.returnLease(a.sha256, idOf(1));
  absent = [];
  await reconcile(running);
  expect(running.leases(a.sha256)).toEqual([]);
  expect(fileOf(machine, M1)).not.toContain(idOf(1));
});

test.each(['{', '', 'null'])(
  'with the leases of one dataset damaged (%j) those of the other count, and are written again (P11)',
  async text => {
    const { store, machine, clock } = await settled();
    await store.takeLease(leaseOf(a));
    await store[Symbol.asyncDispose]();
    await overwrite(machine, `${M0}/leases.json`, text);
    const after = await machine.start({ clock });
    expect(after.leases(a.sha256)).toHaveLength(1);
    expect(fileOf(machine, M0)).toBe(fileOf(machine, M1));
    await after.returnLease(a.sha256, idOf(1));
    await offer(after, 2, []);
    await reconcile(after);
    await expect(after.open(a.sha256)).rejects.toMatchObject({ code: 'ARTIFACT_NOT_HELD' });
  },
);

test('with every file of leases damaged nothing is deleted for the longest term, also over a restart (P11)', async () => {
  const { store, machine, clock } = await settled();
  await store.takeLease(leaseOf(a));
  await store[Symbol.asyncDispose]();
  for (const directory of DIRECTORIES) await overwrite(machine, `${directory}/leases.json`, '{');
  const first = await machine.start({ clock });
  await first[Symbol.asyncDispose]();
  const after = await machine.start({ clock });
  await offer(after, 2, []);
  expect(await reconcile(after)).toBe(0);
  expect((await after.list()).deletionsDeferred[0]!.reason).toContain('leases of this sled were lost');
  await clock.advance(MAX_LEASE_TERM_S * 1_000 - 1);
  expect(await reconcile(after)).toBe(0);
  await clock.advance(1);
  await settle();
  expect((await after.list()).deletionsTotal).toBe(1);
});

test('an artifact whose deletion was deferred and that is wanted again is simply held (P11)', async () => {
  const { store } = await settled();
  await store.takeLease(leaseOf(a));
  await offer(store, 2, []);
  await reconcile(store);
  await offer(store, 3, [a]);
  expect(await store.list()).toMatchObject({ deletionsDeferred: [], leasesTotal: 1 });
  expect(await copies(store, a)).toBe(2);
  await store.returnLease(a.sha256, idOf(1));
  await settle();
  expect(await copies(store, a)).toBe(2);
});

test('the number of leases is bounded, and a renewal is possible at the limit (P11)', async () => {
  const { store } = await settled();
  for (let n = 1; n <= MAX_LEASES; n += 1) await store.takeLease(leaseOf(a, n));
  await expect(store.takeLease(leaseOf(a, MAX_LEASES + 1))).rejects.toMatchObject({
    code: 'TOO_MANY_LEASES',
    status: 429,
  });
  await store.takeLease(leaseOf(a, 1));
  await store.returnLease(a.sha256, idOf(2));
  await store.takeLease(leaseOf(a, MAX_LEASES + 1));
  expect((await store.list()).leasesTotal).toBe(MAX_LEASES);
}, 60_000);

const lookAt = async (store: ArtifactStore) =>
  (await store.list()).datasetHealth.flatMap(each => each.unknownFiles);

test('the file of leases is no unknown file of a dataset', async () => {
  const { store } = await settled();
  await store.takeLease(leaseOf(a));
  expect(await lookAt(store)).toEqual([]);
});

test('a holder, and each other machine, has its own bound, which a renewal does not meet (LL1)', async () => {
  const { store } = await settled();
  const refusal = (n: number, holder: string, peer?: string) =>
    store.takeLease({ ...leaseOf(a, n), holder }, peer).then(
      () => 'granted',
      (error: unknown) => (error as Error).message,
    );
  let n = 0;
  const grab = async (count: number, holder: string, peer?: string) => {
    for (let taken = 0; taken < count; taken += 1) expect(await refusal(++n, holder, peer)).toBe('granted');
  };
  await grab(MAX_LEASES_OF_PEER, 'a', '10.0.0.1');
  expect(await refusal(++n, 'b', '10.0.0.1')).toBe(
    `programs at 10.0.0.1 have ${MAX_LEASES_OF_PEER} leases on this sled, which is the limit`,
  );
  expect(await refusal(1, 'a', '10.0.0.1'), 'a renewal').toBe('granted');
  await grab(MAX_LEASES_OF_HOLDER, 'installer');
  expect(await refusal(++n, 'installer')).toBe(
    `the holder "installer" has ${MAX_LEASES_OF_HOLDER} leases on this sled, which is the limit`,
  );
  for (let peer = 2; peer <= 8; peer += 1) await grab(MAX_LEASES_OF_PEER, `of ${peer}`, `10.0.0.${peer}`);
  expect(await refusal(++n, 'b', '10.0.0.9')).toMatch(/^programs on other machines have 512 leases/);
  expect(await refusal(++n, 'a program here')).toBe('granted');
});
