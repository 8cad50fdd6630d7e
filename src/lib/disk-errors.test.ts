import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMemoryDisk, interposed, type Operation, systemError } from './disk.fixture.ts';
import type { Disk } from './disk.ts';
import { cannotWrite, isFull, isRefusedByDisk, syncingWherePossible } from './disk-errors.ts';
import { createFileDurably, createNewFile } from './durable-file.ts';
import { DepotError, messageChain } from './errors.ts';
import { makeDirectories, namedFilesDisk, namingFull, realDisk } from './real-disk.ts';

const enospc = () => systemError('ENOSPC');

const WRITES: Record<string, (disk: Disk) => Promise<unknown>> = {
  createFile: disk => disk.createFile('/root/a'),
  makeDirectory: disk => disk.makeDirectory('/root/a'),
  rename: disk => disk.rename('/root/old', '/root/new'),
  unlink: disk => disk.unlink('/root/old'),
  syncDirectory: disk => disk.syncDirectory('/root'),
  write: async disk => (await disk.createFile('/root/a')).write(new Uint8Array(1), 0),
  truncate: async disk => (await disk.createFile('/root/a')).truncate(1),
  sync: async disk => (await disk.createFile('/root/a')).sync(),
};

/** A disk in memory on which this operation fails. */
const failing = async (operation: string, code: string, freeInodes?: number): Promise<Disk> => {
  const memory = createMemoryDisk(['/root']).disk;
  await memory.createFile('/root/old');
  return interposed(
    { ...memory, freeBytes: async () => 4096, freeInodes: async () => freeInodes },
    ({ name }: Operation) => {
      if (name === operation) throw systemError(code);
    },
  );
};

test.each(Object.keys(WRITES))(
  '%s on a full disk is NO_SPACE with the directory, its free bytes and its free inodes',
  async name => {
    const write = WRITES[name] as (disk: Disk) => Promise<unknown>;
    await expect(failing(name, 'ENOSPC', 0).then(write)).rejects.toMatchObject({
      code: 'NO_SPACE',
      status: 507,
      message: 'the file system of /root is full: 4096 bytes and 0 inodes are free',
      detail: { directory: '/root', free_bytes: 4096, free_inodes: 0 },
    });
    await expect(failing(name, 'EDQUOT').then(write)).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: 'the disk quota of /root is full: 4096 bytes are free',
    });
    await expect(failing(name, 'EIO').then(write), 'any other error').rejects.toMatchObject({ code: 'EIO' });
  },
);

test('a full disk that cannot be asked for its space is NO_SPACE all the same', async () => {
  const disk = await failing('createFile', 'ENOSPC');
  const silent = { ...disk, freeBytes: () => Promise.reject(systemError('EIO')) };
  await expect(interposed(silent, () => undefined).createFile('/root/a')).rejects.toMatchObject({
    code: 'NO_SPACE',
  });
});

test('a write without a disk is NO_SPACE with real numbers, also where the directory is yet to be made', async () => {
  await expect(namingFull('/dev/none/of/these', () => writeFile('/dev/full', 'x'))).rejects.toMatchObject({
    code: 'NO_SPACE',
    message: expect.stringMatching(
      /^the file system of \/dev\/none\/of\/these is full: \d+ bytes( and \d+ inodes)? are free$/,
    ),
  });
  await expect(namingFull('/', () => Promise.reject(systemError('EIO')))).rejects.toMatchObject({
    code: 'EIO',
  });
});

test('another error of the disk whose cause was a full disk is not a full disk', () => {
  const full = new DepotError('NO_SPACE', 'full');
  expect(isFull(full)).toBe(true);
  expect(isFull(new Error('cannot write', { cause: full }))).toBe(true);
  expect(isFull(Object.assign(systemError('EROFS'), { cause: full }))).toBe(false);
  expect(isFull(new DepotError('IO', 'cannot write', { cause: enospc() }))).toBe(false);
});

test('a named file that cannot be written is NO_SPACE or IO, with its name', () => {
  const full = cannotWrite('/a/b', new DepotError('NO_SPACE', 'the file system of /a is full'));
  expect([full.code, messageChain(full)]).toEqual([
    'NO_SPACE',
    'cannot write /a/b: the file system of /a is full',
  ]);
  expect(cannotWrite('/a/b', systemError('EACCES')).code).toBe('IO');
});

// procfs refuses fsync of a directory, as some file systems for data do.
test('a directory that cannot be synced says so, except where the file was named by a person', async () => {
  await expect(realDisk.syncDirectory('/proc')).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringContaining('the file system of /proc does not support fsync of a directory'),
  });
  await namedFilesDisk.syncDirectory('/proc');
});

test.each(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EBADF', 'EISDIR'])(
  'fsync of a directory that answers %s is not supported: an error, or for files of a person none',
  async code => {
    const disk = await failing('syncDirectory', code);
    await expect(disk.syncDirectory('/root')).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('does not support fsync of a directory'),
    });
    await syncingWherePossible(disk).syncDirectory('/root');
  },
);

test('a directory that a person may write and not read takes their files; a disk that fails does not', async () => {
  await syncingWherePossible(await failing('syncDirectory', 'EACCES')).syncDirectory('/root');
  const broken = syncingWherePossible(await failing('syncDirectory', 'EIO'));
  await expect(broken.syncDirectory('/root')).rejects.toMatchObject({ code: 'EIO' });
});

test('a disk that is full differs from a limit that is set here', async () => {
  const disk = await failing('createFile', 'ENOSPC');
  const refused = await disk.createFile('/root/a').catch((error: unknown) => error);
  expect([isFull(refused), isRefusedByDisk(refused)]).toEqual([true, true]);
  const quota = new DepotError('NO_SPACE', 'its quota is used up');
  expect([isFull(quota), isRefusedByDisk(quota)]).toEqual([true, false]);
});

test('a new file replaces none, and a failure to write it leaves none', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-new-file-'));
  const path = join(directory, 'a');
  const write = (file: { write: (chunk: Uint8Array, position: number) => Promise<void> }) =>
    file.write(new Uint8Array([1]), 0);
  try {
    const failed = createNewFile(path, () => Promise.reject(enospc()), { disk: namedFilesDisk });
    await expect(failed).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await readdir(directory)).toEqual([]);
    await createNewFile(path, write, { disk: namedFilesDisk });
    await expect(createNewFile(path, write, { disk: namedFilesDisk })).rejects.toMatchObject({
      code: 'EEXIST',
    });
    expect(await readdir(directory), 'the file that was there').toEqual(['a']);
    await makeDirectories(join(directory, 'b', 'c'));
    await createFileDurably(join(directory, 'b', 'c', 'd'), write);
    expect(await readdir(join(directory, 'b', 'c'))).toEqual(['d']);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a directory where none can be made is an error that names it, and does not hang', async () => {
  // A file system that answers ENOENT although the parent exists.
  await expect(makeDirectories('/proc/tuf-depot/a')).rejects.toThrow(/\/proc\/tuf-depot/);
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-make-'));
  try {
    await createNewFile(join(directory, 'file'), async () => undefined, { disk: namedFilesDisk });
    await expect(makeDirectories(join(directory, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeDirectories(join(directory, 'file', 'a', 'b'))).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
    const both = [1, 2].map(() => makeDirectories(join(directory, 'a', 'b', 'c')));
    await Promise.all(both);
    expect(await readdir(join(directory, 'a', 'b'))).toEqual(['c']);
  } finally {
    await rm(directory, { recursive: true });
  }
});
