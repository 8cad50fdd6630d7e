/** Heads of the audit log that a sled was told: they outlive the process, a power cut, and the loss of a disk (HD1, T6a). */
import { expect, test } from 'vitest';
import type { AuditHead } from '../../core/audit-chain.ts';
import { MAX_KEPT_HEADS } from '../../core/audit-heads.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { type Operation, systemError } from '../../lib/disk.fixture.ts';
import { reconcile, tellFloor } from './artifact.fixture.ts';
import { createMachine, DIRECTORIES, type Machine } from './memory-store.fixture.ts';

const [M0, M1] = DIRECTORIES;
const headOf = (seq: number, letter = 'a'): AuditHead => ({ seq, hash: letter.repeat(64) });
const pathIn = (directory: string): string => `${directory}/audit-heads.json`;
const fileIn = (machine: Machine, directory: string): string =>
  new TextDecoder().decode(machine.memory.files().get(pathIn(directory)));
const overwrite = async ({ memory: { disk } }: Machine, path: string, text: string): Promise<void> => {
  await disk.unlink(path);
  const file = await disk.createFile(path);
  await file.write(new TextEncoder().encode(text), 0);
  await file.sync();
};

/** A sled that was told head 3, and then that entry 3 is another one. */
const told = async (before?: (operation: Operation) => void) => {
  const machine = createMachine();
  const clock = createTestClock();
  const store = await machine.start({ clock, ...(before && { before }) });
  await tellFloor(store, 1);
  await store.auditHeads.keep([headOf(3)]);
  await clock.advance(1_000);
  await store.auditHeads.keep([headOf(3, 'b'), headOf(5)]);
  const evidence = [
    { ...headOf(3), timeMs: clock.nowMs() - 1_000 },
    { ...headOf(3, 'b'), timeMs: clock.nowMs() },
    { ...headOf(5), timeMs: clock.nowMs() },
  ];
  expect(store.auditHeads.list()).toEqual(evidence);
  return { machine, clock, store, evidence };
};

test.each([
  ['a restart', async () => undefined],
  ['a power cut', async (machine: Machine) => machine.powerCut(1)],
] as const)('heads and evidence outlive %s, with their times (HD1, T6a)', async (_, end) => {
  const { machine, clock, store, evidence } = await told();
  await end(machine);
  if (_ === 'a restart') await store[Symbol.asyncDispose]();
  expect((await machine.start({ clock })).auditHeads.list()).toEqual(evidence);
});

test.each(DIRECTORIES)(
  'heads outlive the loss of the dataset %s, and are written to it again (HD1, T6a)',
  async lost => {
    const { machine, clock, store, evidence } = await told();
    await store[Symbol.asyncDispose]();
    await machine.memory.disk.unlink(pathIn(lost));
    const after = await machine.start({ clock });
    expect(after.auditHeads.list()).toEqual(evidence);
    expect(fileIn(machine, lost)).toBe(fileIn(machine, lost === M0 ? M1 : M0));
  },
);

test('a dataset that was away brings its heads, and receives those of the others (HD1)', async () => {
  const { machine, clock, store, evidence } = await told();
  await store[Symbol.asyncDispose]();
  const alone = await machine.start({ clock, absent: [M1] });
  await alone.auditHeads.keep([headOf(5), headOf(6)]);
  await alone[Symbol.asyncDispose]();
  const both = await machine.start({ clock });
  expect(both.auditHeads.list()).toEqual([...evidence, { ...headOf(6), timeMs: clock.nowMs() }]);
  expect(fileIn(machine, M1)).toBe(fileIn(machine, M0));
});

test.each(['{', '', 'null'])(
  'a damaged file (%j) is replaced by what the other dataset has (HD2)',
  async text => {
    const { machine, clock, store, evidence } = await told();
    await store[Symbol.asyncDispose]();
    await overwrite(machine, pathIn(M0), text);
    const after = await machine.start({ clock });
    expect(after.auditHeads.list()).toEqual(evidence);
    expect(fileIn(machine, M0)).toBe(fileIn(machine, M1));
    await overwrite(machine, pathIn(M1), text);
    await reconcile(after);
    expect(fileIn(machine, M1)).toBe(fileIn(machine, M0));
  },
);

test('heads that no dataset took are not acknowledged, and one dataset is enough (HD1)', async () => {
  let full: readonly string[] = [];
  const { store, machine, evidence, clock } = await told(({ name, path }) => {
    if (name === 'createFile' && full.some(directory => path.startsWith(directory)))
      throw systemError('ENOSPC');
  });
  full = DIRECTORIES;
  await expect(store.auditHeads.keep([headOf(5), headOf(7)])).rejects.toMatchObject({
    code: 'NO_SPACE',
    message: expect.stringContaining('heads of the audit log'),
  });
  expect(store.auditHeads.list()).toEqual(evidence);
  full = [M0];
  await store.auditHeads.keep([headOf(5), headOf(7)]);
  const { hash } = headOf(7);
  expect(store.auditHeads.list()).toContainEqual({ seq: 7, hash, timeMs: clock.nowMs() });
  expect(fileIn(machine, M1)).toContain('"seq":7');
});

test('a file has a bound, whatever is told, and is no unknown file of its dataset (AH3)', async () => {
  const { store, machine } = await told();
  for (let seq = 10; seq < 10 + 2 * MAX_KEPT_HEADS; seq += 1) await store.auditHeads.keep([headOf(seq)]);
  expect(store.auditHeads.list().length).toBe(MAX_KEPT_HEADS);
  await store[Symbol.asyncDispose]();
  const after = await machine.start();
  expect(after.auditHeads.list().length).toBe(MAX_KEPT_HEADS);
  expect((await after.list()).datasetHealth.flatMap(each => each.unknownFiles)).toEqual([]);
});
