import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDirectorySource } from './directory-source.ts';

const { signal } = new AbortController();
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'directory-source-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('a directory is read bounded, by plain names, and a gap in its roots can be seen', async () => {
  await mkdir(join(directory, 'repo/metadata'), { recursive: true });
  await mkdir(join(directory, 'repo/targets/dir'), { recursive: true });
  await writeFile(join(directory, 'secret'), 'x');
  await writeFile(join(directory, 'repo/metadata/3.root.json'), '12345');
  await writeFile(join(directory, 'repo/targets/dir/a'), '12345');
  await using source = await createDirectorySource(directory);
  expect(source.metadata.list?.()).toEqual(['3.root.json']);
  expect(await source.metadata.read('3.root.json', 5)).toHaveLength(5);
  await expect(source.metadata.read('3.root.json', 4)).rejects.toMatchObject({ code: 'SOURCE_TOO_LARGE' });
  expect(await source.metadata.read('1.root.json', 5)).toBeUndefined();
  await using found = await source.openTarget('dir/a', { maxBytes: 5, signal });
  expect(found).toBeDefined();
  expect(await source.openTarget('dir', { maxBytes: 5, signal })).toBeUndefined();
  for (const name of ['../../secret', '/etc/passwd', 'dir//a', '..'])
    await expect(source.openTarget(name, { maxBytes: 5, signal })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
});

test('a role whose name needs escaping is found under its encoded and under its plain name (FN1)', async () => {
  await mkdir(join(directory, 'metadata/1.targets'), { recursive: true });
  for (const name of ['1.plain ü.json', '1.encoded%20%C3%BC.json', '1.targets/team.json'])
    await writeFile(join(directory, 'metadata', name), name);
  await writeFile(join(directory, 'secret.json'), 'x');
  await using source = await createDirectorySource(directory);
  const read = async (name: string) => Buffer.from((await source.metadata.read(name, 100)) ?? []).toString();
  expect(await read('1.plain%20%C3%BC.json')).toBe('1.plain ü.json');
  expect(await read('1.encoded%20%C3%BC.json')).toBe('1.encoded%20%C3%BC.json');
  expect(await read('1.targets%2Fteam.json')).toBe('1.targets/team.json');
  expect(await read('..%2Fsecret.json')).toBe('');
});

test('a directory that holds no repository is refused', async () => {
  await expect(createDirectorySource(directory)).rejects.toMatchObject({ code: 'METADATA_MISSING' });
});
