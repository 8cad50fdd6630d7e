import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { formOfToken } from '../../lib/operator-token.ts';
import { readOrMakeToken } from './token-file.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-'));
  path = join(directory, 'token');
});
afterEach(() => rm(directory, { recursive: true }));

test('a token is made once, for its owner alone', async () => {
  const token = await readOrMakeToken(path);
  expect(formOfToken(token)).toBe('whole');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readOrMakeToken(path)).toBe(token);
  expect(await readdir(directory)).toEqual(['token']);
});

test('Nexus instances that start at once with one file get one token', async () => {
  const tokens = await Promise.all(Array.from({ length: 8 }, () => readOrMakeToken(path)));
  expect(new Set(tokens).size).toBe(1);
  expect(await readdir(directory)).toEqual(['token']);
});

test('a file that holds no token is refused, not overwritten', async () => {
  for (const content of ['', 'two words\n']) {
    await writeFile(path, content);
    await expect(readOrMakeToken(path)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(path),
    });
  }
});

test('a directory that is not there is an error that names the file', async () => {
  await expect(readOrMakeToken(join(directory, 'absent', 'token'))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('absent/token'),
  });
});
