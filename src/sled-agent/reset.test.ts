/** A sled's machine begins a new life, on real directories (P13). */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'smol-toml';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { IncarnationId, isArtifactHash, type Point, pointText } from '../core/ids.ts';
import { resetSled } from './reset.ts';
import {
  configOf,
  offer,
  put,
  reconcile,
  type TestArtifact,
  tellFloor,
  testArtifact,
} from './store/artifact.fixture.ts';
import { isKeptName } from './store/files/kept-configs.ts';
import { LEDGER_FILE } from './store/files/ledger.ts';
import { pointOf } from './store/point.ts';
import { createTestStore, type TestStore } from './store/store.fixture.ts';

const [a, b, c] = [testArtifact(1), testArtifact(2), testArtifact(3)];
const pointAt = (generation: number, ...artifacts: readonly TestArtifact[]): Point =>
  pointOf(configOf(generation, artifacts));
const OWN = pointAt(5, a, b);

let sled: TestStore;
let configPath: string;
/** A sled with two datasets that holds a and b at generation 5, and is stopped. */
beforeEach(async () => {
  sled = await createTestStore();
  await offer(sled.store(), 5, [a, b]);
  for (const artifact of [a, b]) await put(sled.store(), artifact);
  await sled.store()[Symbol.asyncDispose]();
  configPath = join(dirname(sled.directories[0]!), 'sled-agent.toml');
  const config = {
    serial: 'BRM1',
    transport: 'plain',
    nexus: ['127.0.0.1:1'],
    datasets: [...sled.directories],
  };
  await writeFile(configPath, stringify(config));
});
afterEach(() => sled[Symbol.asyncDispose]());

const reset = (...giveUp: readonly string[]) => resetSled(configPath, { giveUp });
const incarnation = async () => {
  const store = await sled.reopen();
  const { incarnationId } = await store.list();
  await store[Symbol.asyncDispose]();
  return incarnationId;
};
/** By what is on the disks. */
const onDisks = async () =>
  Promise.all(
    sled.directories.map(async directory => (await readdir(directory)).filter(isArtifactHash).sort()),
  );
const BOTH = [a, b].map(({ sha256 }) => sha256).sort();

test('a reset sled has another incarnation and no config, keeps its files, and names the config that it abandoned', async () => {
  const { incarnationId, kept, givenUp } = await reset();
  expect(kept).toEqual([{ point: OWN, artifacts: 2 }]);
  expect(givenUp).toEqual([]);
  expect(await onDisks()).toEqual([BOTH, BOTH]);
  const store = await sled.reopen();
  expect(store.config()).toBeUndefined();
  expect(store.claims()).toMatchObject([OWN]);
  await tellFloor(store, 1, () => false);
  await offer(store, 1, [], 'unknown');
  const list = await store.list();
  expect(list.incarnationId).toBe(incarnationId);
  expect(list.generation).toBe(1);
});

test('artifacts of an abandoned config stay through adoptions, until the database knows that config and the sled’s present one', async () => {
  await reset();
  let store = await sled.reopen();
  await tellFloor(store, 1, () => false);
  await offer(store, 2, [c], 'unknown');
  await offer(store, 3, [a]);
  await reconcile(store);
  expect(await onDisks()).toEqual([BOTH, BOTH]);
  store = await sled.reopen();
  await tellFloor(store, 4, () => true);
  await reconcile(store);
  expect(await onDisks(), 'known, and not decided on (K5)').toEqual([BOTH, BOTH]);
  await tellFloor(store, 3, () => true);
  await reconcile(store);
  expect(await onDisks()).toEqual([[a.sha256], [a.sha256]]);
});

test('a reset sled may be given a generation below the one that it had', async () => {
  await reset();
  const store = await sled.reopen();
  await tellFloor(store, 1, () => false);
  await offer(store, 2, [a], 'unknown');
  expect(store.config()!.generation).toBe(2);
});

describe('an abandoned config that is given up', () => {
  test.each([
    ['its whole name', pointText(OWN)],
    ['the beginning of its digest', pointText(OWN).slice(0, 8)],
    ['its generation', '5:'],
  ])('by %s is not kept, and what it lists goes with the next config', async (_, name) => {
    const { kept, givenUp } = await reset(name);
    expect({ kept, givenUp }).toEqual({ kept: [], givenUp: [{ point: OWN, artifacts: 2 }] });
    expect(await onDisks(), 'the reset itself deletes nothing').toEqual([BOTH, BOTH]);
    const store = await sled.reopen();
    expect(store.claims()).toEqual([]);
    await tellFloor(store, 1);
    await offer(store, 2, [a], 'unknown');
    await reconcile(store);
    expect(await onDisks()).toEqual([[a.sha256], [a.sha256]]);
  });

  test('may be given up by a later reset', async () => {
    await reset();
    expect(await reset('5:')).toMatchObject({ kept: [], givenUp: [{ point: OWN }] });
    const store = await sled.reopen();
    expect(store.claims()).toEqual([]);
  });

  test.each(['6:', '5', OWN.digest, '5:0123456789'])('by %s is not found: nothing is changed', async name => {
    const before = await incarnation();
    await expect(reset(name)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining(pointText(OWN)),
    });
    expect(await incarnation()).toBe(before);
  });

  test('by a prefix that two of them share is not found either', async () => {
    await reset();
    const store = await sled.reopen();
    await tellFloor(store, 1, () => false);
    await offer(store, 5, [c], 'unknown');
    await store[Symbol.asyncDispose]();
    await expect(reset('5:')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const { kept, givenUp } = await reset(pointText(pointAt(5, c)));
    expect([kept, givenUp]).toMatchObject([[{ point: OWN }], [{ point: pointAt(5, c) }]]);
  });
});

test('a second reset keeps the configs that the first one kept, and makes another incarnation', async () => {
  const first = await reset();
  const second = await reset();
  expect(second.kept).toEqual(first.kept);
  expect(second.incarnationId).not.toBe(first.incarnationId);
  const store = await sled.reopen();
  await tellFloor(store, 1, () => false);
  await offer(store, 9, [c], 'unknown');
  await store[Symbol.asyncDispose]();
  expect((await reset()).kept.map(({ point }) => pointText(point)).sort()).toEqual(
    [OWN, pointAt(9, c)].map(pointText).sort(),
  );
});

test('the abandoned config is kept on every dataset before any ledger is replaced (RS2)', async () => {
  const before = await incarnation();
  const cut = resetSled(configPath, {
    giveUp: [],
    newId: () => {
      throw new Error('cut short');
    },
  });
  await expect(cut).rejects.toThrow('cut short');
  for (const directory of sled.directories)
    expect((await readdir(directory)).filter(isKeptName), directory).toHaveLength(1);
  expect(await incarnation()).toBe(before);
  expect((await reset()).kept).toEqual([{ point: OWN, artifacts: 2 }]);
});

test('a reset that was cut short between two datasets is run again, and loses no config', async () => {
  const [, two] = sled.directories as [string, string];
  await rename(join(two, LEDGER_FILE), join(dirname(two), 'ledger-before'));
  await resetSled(configPath, { giveUp: [] });
  // As it was for the second one.
  await rename(join(dirname(two), 'ledger-before'), join(two, LEDGER_FILE));
  expect((await reset()).kept).toEqual([{ point: OWN, artifacts: 2 }]);
  expect(await onDisks()).toEqual([BOTH, BOTH]);
  const store = await sled.reopen();
  expect(store.config()).toBeUndefined();
});

test('a sled whose datasets have different configs keeps both', async () => {
  const [, two] = sled.directories as [string, string];
  const away = join(dirname(two), 'away');
  await rename(two, away);
  await mkdir(two);
  {
    const store = await sled.reopen();
    await tellFloor(store, 1);
    await offer(store, 7, [a, b, c]);
    await store[Symbol.asyncDispose]();
  }
  await rm(two, { recursive: true });
  await rename(away, two);
  const points = (await reset()).kept.map(({ point }) => pointText(point));
  expect(points.sort()).toEqual([OWN, pointAt(7, a, b, c)].map(pointText).sort());
});

describe('a reset is refused, and changes nothing,', () => {
  test('while the agent runs, naming it', async () => {
    const store = await sled.reopen();
    await expect(reset()).rejects.toMatchObject({ code: 'IN_USE_BY_PROCESS' });
    expect(store.config()!.generation).toBe(5);
    await store[Symbol.asyncDispose]();
  });

  test('while a dataset is away, which would bring its old config back', async () => {
    const before = await incarnation();
    const [, two] = sled.directories as [string, string];
    const away = join(dirname(two), 'away');
    await rename(two, away);
    await expect(reset()).rejects.toMatchObject({
      code: 'NO_USABLE_DATASET',
      message: expect.stringContaining(two),
    });
    await mkdir(two);
    await expect(reset(), 'an empty mount point').rejects.toMatchObject({ code: 'NO_USABLE_DATASET' });
    await rm(two, { recursive: true });
    await rename(away, two);
    expect(await incarnation()).toBe(before);
  });

  test('with a damaged ledger, which the agent repairs when it is started', async () => {
    const [one] = sled.directories as [string, string];
    await writeFile(join(one, LEDGER_FILE), 'not a ledger');
    await expect(reset()).rejects.toMatchObject({
      code: 'NO_USABLE_DATASET',
      message: expect.stringMatching(/ledger is damaged .*start the sled agent once/),
    });
    const before = await incarnation();
    expect((await reset()).incarnationId).not.toBe(before);
  });

  test('with a configuration that is not there', async () => {
    await expect(resetSled(`${configPath}.not`, { giveUp: [] })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});

test('the new incarnation is the one that is asked for', async () => {
  const id = '00000000-0000-4000-8000-000000000abc';
  const { incarnationId } = await resetSled(configPath, { giveUp: [], newId: () => id });
  expect(incarnationId).toBe(IncarnationId.parse(id));
});
