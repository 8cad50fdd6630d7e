import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ArtifactHash } from '../core/ids.ts';
import { auditDisks, hashesOnDisk } from './disk-audit.ts';

const hashOf = (text: string): ArtifactHash =>
  ArtifactHash.parse(createHash('sha256').update(text).digest('hex'));

const makeSled = async (files: Readonly<Record<string, string>>) => {
  const root = await mkdtemp(join(tmpdir(), 'tuf-depot-audit-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const dataset = join(root, 'm2-a');
  await mkdir(join(dataset, 'artifacts'), { recursive: true });
  for (const [name, content] of Object.entries(files))
    await writeFile(join(dataset, 'artifacts', name), content);
  return { name: 'sled-1', datasets: [dataset] };
};

const audit = async (files: Readonly<Record<string, string>>, expected: readonly ArtifactHash[]) => {
  const { datasets, ok } = await auditDisks([await makeSled(files)], new Set(expected), {
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  return { ...datasets[0]!, ok };
};

test('an audit counts files with the right bytes, and ignores files that are not named by a hash', async () => {
  const files = { [hashOf('a')]: 'a', [hashOf('bb')]: 'bb', ledger: '{}' };
  expect(await audit(files, [hashOf('a'), hashOf('bb')])).toMatchObject({ ok: true, good: 2, goodBytes: 3 });
});

test('a file with other bytes than its name says is corrupt (G5)', async () => {
  expect(await audit({ [hashOf('a')]: 'b' }, [hashOf('a')])).toMatchObject({
    ok: false,
    corrupt: [hashOf('a')],
    missing: [],
  });
});

test('missing and unexpected artifacts are each named (G1, G3)', async () => {
  expect(await audit({ [hashOf('old')]: 'old' }, [hashOf('new')])).toMatchObject({
    ok: false,
    missing: [hashOf('new')],
    unexpected: [hashOf('old')],
  });
});

test('the hashes on all disks are found by name', async () => {
  const sleds = [await makeSled({ [hashOf('a')]: 'a' }), await makeSled({ [hashOf('b')]: 'b', other: '' })];
  expect(await hashesOnDisk(sleds)).toEqual(new Set([hashOf('a'), hashOf('b')]));
});
