/** Behaviour that only a simulated disk has. `src/lib/disk.test.ts` compares it with a real disk. */
import { expect, test } from 'vitest';
import { seededRng } from '../../src/core/rng.ts';
import type { Disk } from '../../src/lib/disk.ts';
import { createSimulatedDisk } from './simulated-disk.fixture.ts';

/** Enough that each possible outcome of a power cut occurs. */
const SEEDS = 60;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const write = async (disk: Disk, path: string, text: string, isSynced: boolean): Promise<void> => {
  const file = await disk.createFile(path);
  await file.write(bytes(text), 0);
  if (isSynced) await file.sync();
  await file.close();
};

/** Undefined when there is no such file. */
const contentOf = async (disk: Disk, path: string): Promise<string | undefined> => {
  const sizeBytes = await disk.sizeOf(path);
  if (sizeBytes === undefined) return undefined;
  const file = await disk.openFile(path);
  const content = new Uint8Array(sizeBytes);
  await file.read(content, 0);
  return new TextDecoder().decode(content);
};

/** The contents of files after many power cuts: each outcome once, as JSON. */
const afterPowerCuts = async (
  prepare: (disk: Disk) => Promise<void>,
  paths: readonly string[],
): Promise<Set<string>> => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const { disk, volumes } = createSimulatedDisk(['/a']);
    await prepare(disk);
    volumes.get('/a')!.medium.powerCut(seededRng(seed));
    const contents: (string | null)[] = [];
    for (const path of paths) contents.push((await contentOf(disk, path)) ?? null);
    outcomes.add(JSON.stringify(contents));
  }
  return outcomes;
};

test('a power cut spares what was synced, content and name (ME1)', async () => {
  const outcomes = await afterPowerCuts(
    async disk => {
      await write(disk, '/a/file', 'kept', true);
      await disk.syncDirectory('/a');
    },
    ['/a/file'],
  );
  expect(outcomes).toEqual(new Set(['["kept"]']));
});

test('unsynced content is lost by a power cut, or cut short, or zeros, or all there (ME2)', async () => {
  const outcomes = await afterPowerCuts(
    async disk => {
      await write(disk, '/a/file', 'ab', false);
      await disk.syncDirectory('/a');
    },
    ['/a/file'],
  );
  expect(outcomes).toEqual(new Set(['[""]', '["a"]', '["ab"]', '["\\u0000\\u0000"]']));
});

test('a rename that was not synced is undone by a power cut or stays, as a whole (ME2)', async () => {
  const outcomes = await afterPowerCuts(
    async disk => {
      await write(disk, '/a/old', 'one', true);
      await write(disk, '/a/new', 'two', true);
      await disk.syncDirectory('/a');
      await disk.rename('/a/new', '/a/old');
    },
    ['/a/old', '/a/new'],
  );
  expect(outcomes).toEqual(new Set(['["one","two"]', '["two",null]']));
});

test('content that was synced ahead of its rename survives under the new name once the directory is synced (ME1)', async () => {
  const outcomes = await afterPowerCuts(
    async disk => {
      await write(disk, '/a/new', 'two', true);
      await disk.rename('/a/new', '/a/old');
      await disk.syncDirectory('/a');
    },
    ['/a/old', '/a/new'],
  );
  expect(outcomes).toEqual(new Set(['["two",null]']));
});

test('an unlink that was not synced may be undone by a power cut (ME2)', async () => {
  const outcomes = await afterPowerCuts(
    async disk => {
      await write(disk, '/a/file', 'kept', true);
      await disk.syncDirectory('/a');
      await disk.unlink('/a/file');
    },
    ['/a/file'],
  );
  expect(outcomes).toEqual(new Set(['["kept"]', '[null]']));
});

test('a process that is killed before an operation neither performs it nor receives an answer (DI1, DI2)', async () => {
  const { disk, process, volumes } = createSimulatedDisk(['/a'], ({ name }) => {
    if (name === 'unlink') process.kill();
    return { latencyMs: 0, isEffectFirst: false, error: undefined };
  });
  await write(disk, '/a/file', 'kept', true);
  const hasSettled = await Promise.race([
    disk.unlink('/a/file').then(
      () => true,
      () => true,
    ),
    new Promise<false>(resolve => setImmediate(() => resolve(false))),
  ]);
  expect(hasSettled).toBe(false);
  expect([...volumes.get('/a')!.top().now.keys()]).toEqual(['file']);
});

test('a fault of a volume has the error codes of an operating system (VO1)', async () => {
  const { disk, volumes } = createSimulatedDisk(['/a', '/b']);
  await write(disk, '/a/file', 'kept', true);
  const volume = volumes.get('/a')!;
  await expect(disk.rename('/a/file', '/b/file')).rejects.toMatchObject({ code: 'EXDEV' });
  volume.state = 'read_only';
  await expect(disk.unlink('/a/file')).rejects.toMatchObject({ code: 'EROFS' });
  expect(await disk.sizeOf('/a/file')).toBe(4);
  volume.state = 'failing';
  await expect(disk.sizeOf('/a/file')).rejects.toMatchObject({ code: 'EIO' });
  volume.state = 'absent';
  await expect(disk.readDirectory('/a')).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await disk.sizeOf('/a/file')).toBeUndefined();
  volume.state = 'ok';
  volume.capacityBytes = 6;
  await expect(write(disk, '/a/more', 'abc', false)).rejects.toMatchObject({ code: 'NO_SPACE' });
});
