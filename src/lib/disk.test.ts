/** The memory disk of the tests and the simulated one answer as the real one does. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSimulatedDisk } from '../../sim/machine/simulated-disk.fixture.ts';
import { seededRng } from '../core/rng.ts';
import { createMemoryDisk } from './disk.fixture.ts';
import type { Disk } from './disk.ts';
import { realDisk } from './real-disk.ts';

type Place = AsyncDisposable & { readonly disk: Disk; readonly root: string };

const onRealDisk = async (): Promise<Place> => {
  const root = await mkdtemp(join(tmpdir(), 'tuf-depot-disk-'));
  return { disk: realDisk, root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
};

const inMemory = async (): Promise<Place> => ({
  disk: createMemoryDisk(['/root']).disk,
  root: '/root',
  [Symbol.asyncDispose]: async () => undefined,
});

const simulated = async (): Promise<Place> => ({
  disk: createSimulatedDisk(['/root']).disk,
  root: '/root',
  [Symbol.asyncDispose]: async () => undefined,
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each([
  ['real', onRealDisk],
  ['memory', inMemory],
  ['simulated', simulated],
])('the %s disk', (_, make) => {
  test('writes by position and reads what there is', async () => {
    await using place = await make();
    const { disk, root } = place;
    const file = await disk.createFile(join(root, 'a'));
    await file.write(bytes('world'), 5);
    await file.write(bytes('hello'), 0);
    await file.sync();
    await file.close();
    const read = await disk.openFile(join(root, 'a'));
    const target = new Uint8Array(20);
    expect(await read.sizeBytes()).toBe(10);
    expect(await read.read(target, 3)).toBe(7);
    expect(new TextDecoder().decode(target.subarray(0, 7))).toBe('loworld');
    expect(await read.read(target, 10)).toBe(0);
    await read.close();
    expect(await disk.sizeOf(join(root, 'a'))).toBe(10);
  });

  test('renames over what is there, unlinks, and lists', async () => {
    await using place = await make();
    const { disk, root } = place;
    for (const name of ['a', 'b']) await (await disk.createFile(join(root, name))).close();
    await disk.makeDirectory(join(root, 'd'));
    await disk.rename(join(root, 'a'), join(root, 'b'));
    expect((await disk.readDirectory(root)).sort()).toEqual(['b', 'd']);
    await disk.rename(join(root, 'b'), join(root, 'd', 'b'));
    await disk.syncDirectory(root);
    expect(await disk.readDirectory(join(root, 'd'))).toEqual(['b']);
    await disk.unlink(join(root, 'd', 'b'));
    expect(await disk.readDirectory(join(root, 'd'))).toEqual([]);
    expect(await disk.freeBytes(root)).toBeGreaterThan(0);
  });

  test('a rename moves the content and replaces the target; open files keep their content', async () => {
    await using place = await make();
    const { disk, root } = place;
    for (const name of ['new', 'old']) {
      const file = await disk.createFile(join(root, name));
      await file.write(bytes(name), 0);
      await file.close();
    }
    const replaced = await disk.openFile(join(root, 'old'));
    await disk.rename(join(root, 'new'), join(root, 'old'));
    expect(await disk.readDirectory(root)).toEqual(['old']);
    const target = new Uint8Array(3);
    const renamed = await disk.openFile(join(root, 'old'));
    await renamed.read(target, 0);
    expect(new TextDecoder().decode(target)).toBe('new');
    await disk.unlink(join(root, 'old'));
    for (const [file, content] of [
      [renamed, 'new'],
      [replaced, 'old'],
    ] as const) {
      expect(await file.read(target, 0)).toBe(3);
      expect(new TextDecoder().decode(target)).toBe(content);
      await file.close();
    }
  });

  test('a gap reads as zeros, and so does an extension', async () => {
    await using place = await make();
    const { disk, root } = place;
    const file = await disk.createFile(join(root, 'a'));
    await file.write(bytes('abc'), 2);
    await file.truncate(4);
    await file.truncate(6);
    await file.close();
    const read = await disk.openFile(join(root, 'a'));
    const target = new Uint8Array(8).fill(7);
    expect(await read.read(target, 0)).toBe(6);
    expect([...target]).toEqual([0, 0, ...bytes('ab'), 0, 0, 7, 7]);
    await read.close();
  });

  test('fails with the codes of the operating system', async () => {
    await using place = await make();
    const { disk, root } = place;
    await (await disk.createFile(join(root, 'a'))).close();
    await disk.makeDirectory(join(root, 'd'));
    const enoent = { code: 'ENOENT' };
    await expect(disk.createFile(join(root, 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(disk.makeDirectory(join(root, 'd'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(disk.createFile(join(root, 'none', 'a'))).rejects.toMatchObject(enoent);
    await expect(disk.openFile(join(root, 'none'))).rejects.toMatchObject(enoent);
    await expect(disk.openFile(join(root, 'd')), 'a directory is no file').rejects.toMatchObject(enoent);
    await expect(disk.makeDirectory(join(root, 'none', 'd'))).rejects.toMatchObject(enoent);
    await expect(disk.unlink(join(root, 'none'))).rejects.toMatchObject(enoent);
    await expect(disk.unlink(join(root, 'd'))).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(disk.rename(join(root, 'none'), join(root, 'x'))).rejects.toMatchObject(enoent);
    await expect(disk.rename(join(root, 'a'), join(root, 'none', 'a'))).rejects.toMatchObject(enoent);
    await expect(disk.rename(join(root, 'a'), join(root, 'd'))).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(disk.readDirectory(join(root, 'none'))).rejects.toMatchObject(enoent);
    await expect(disk.syncDirectory(join(root, 'none'))).rejects.toMatchObject(enoent);
    expect(await disk.sizeOf(join(root, 'none'))).toBeUndefined();
    expect(await disk.sizeOf(join(root, 'd'))).toBeUndefined();
    expect(await disk.sizeOf(join(root, 'none', 'a')), 'nor in a directory that is missing').toBeUndefined();
    expect((await disk.readDirectory(root)).sort(), 'a failure changes nothing').toEqual(['a', 'd']);
  });
});

test('a power cut spares what was synced, and only sometimes the rest', async () => {
  let lost = 0;
  for (let seed = 0; seed < 20; seed += 1) {
    const { disk, powerCut, files } = createMemoryDisk(['/root']);
    const synced = await disk.createFile('/root/synced');
    await synced.write(bytes('safe'), 0);
    await synced.sync();
    await disk.syncDirectory('/root');
    const other = await disk.createFile('/root/other');
    await other.write(bytes('unsafe'), 0);
    powerCut(seededRng(seed));
    expect(new TextDecoder().decode(files().get('/root/synced'))).toBe('safe');
    if (files().get('/root/other')?.length !== 6) lost += 1;
  }
  expect(lost).toBeGreaterThan(0);
  expect(lost).toBeLessThan(20);
});
