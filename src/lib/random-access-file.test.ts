import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemErrorCode } from './errors.ts';
import { openRandomAccessFile } from './random-access-file.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-random-access-'));
});
afterAll(() => rm(directory, { recursive: true }));

test('a file is read by position, and less than asked for only at its end', async () => {
  const path = join(directory, 'a');
  await writeFile(path, 'hello world');
  await using file = await openRandomAccessFile(path);
  expect(file.sizeBytes).toBe(11);
  const target = Buffer.alloc(5);
  expect(await file.read(target, 6)).toBe(5);
  expect(target.toString()).toBe('world');
  expect(await file.read(target, 9)).toBe(2);
  await truncate(path, 7);
  expect(await file.read(target, 6)).toBe(1);
});

test('a read error names the path, and keeps the system’s reason', async () => {
  const missing = await openRandomAccessFile(join(directory, 'none')).catch((error: unknown) => error);
  expect(missing).toMatchObject({ code: 'IO', message: expect.stringContaining('none') });
  expect(systemErrorCode(missing)).toBe('ENOENT');
  await expect(openRandomAccessFile(directory)).rejects.toMatchObject({
    code: 'IO',
    cause: { message: 'it is not a regular file' },
  });
});

test('reading after the file was closed is an error with the position', async () => {
  const path = join(directory, 'b');
  await writeFile(path, 'hello');
  const file = await openRandomAccessFile(path);
  await file[Symbol.asyncDispose]();
  await expect(file.read(Buffer.alloc(1), 3)).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringContaining('at byte 3'),
  });
});
