import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { UploadId } from '../../../core/ids.ts';
import { openStagingDirectory } from './directory.ts';

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'staging-')), 'staging');
});
afterEach(() => rm(join(path, '..'), { recursive: true }));

test('a Nexus is the same one as long as its staging directory is (P8)', async () => {
  const ids: string[] = [];
  for (let start = 0; start < 2; start += 1) {
    await using directory = await openStagingDirectory(path);
    ids.push(directory.nexusId);
  }
  expect(ids[0]).toBe(ids[1]);
  expect((await stat(path)).mode & 0o777).toBe(0o700);
});

test('a second Nexus on the same directory is refused, naming the first (P12)', async () => {
  await using _first = await openStagingDirectory(path);
  await expect(openStagingDirectory(path)).rejects.toMatchObject({
    code: 'IN_USE_BY_PROCESS',
    message: expect.stringContaining(`process ${process.pid}`),
  });
});

test('a start removes unfinished uploads and writes, and lists whole archives', async () => {
  const id = UploadId.parse(randomUUID());
  {
    await using directory = await openStagingDirectory(path);
    const { part, archive, parts, sidecar } = directory.filesOf(id);
    for (const file of [part, archive, parts, sidecar, join(path, '.tmp-x'), join(path, 'README')])
      await writeFile(file, 'x');
  }
  await using directory = await openStagingDirectory(path);
  expect((await readdir(path)).sort()).toEqual(
    [`${id}.json`, `${id}.parts`, `${id}.zip`, 'README', 'lock', 'nexus-id'].sort(),
  );
  expect([...(await directory.list())]).toEqual([[id, { archive: true, parts: true, sidecar: true }]]);
  await directory.remove(id);
  expect((await directory.list()).size).toBe(0);
});

test('files of others stay where they are: a start neither removes nor lists them', async () => {
  const id = randomUUID();
  {
    await using _directory = await openStagingDirectory(path);
  }
  const foreign = [
    'notes.part',
    `${id}.zip.bak`,
    `${id}.tar`,
    `x-${id}.zip.part`,
    `${id}.zip.part.bak`,
    'release.zip',
    `${id}`,
  ];
  for (const name of foreign) await writeFile(join(path, name), 'x');
  await mkdir(join(path, 'lost+found'));
  await using directory = await openStagingDirectory(path);
  expect((await readdir(path)).sort()).toEqual([...foreign, 'lock', 'lost+found', 'nexus-id'].sort());
  expect([...(await directory.list())]).toEqual([]);
});

test('an identity that cannot be read is an error, never a new identity', async () => {
  {
    await using _directory = await openStagingDirectory(path);
  }
  await writeFile(join(path, 'nexus-id'), 'me\n');
  await expect(openStagingDirectory(path)).rejects.toMatchObject({
    code: 'STAGING_DAMAGED',
    message: expect.stringContaining('nexus-id'),
  });
  await writeFile(join(path, 'nexus-id'), `${randomUUID()}\n`);
  await using mended = await openStagingDirectory(path);
  expect(mended.nexusId).toBeDefined();
});
