import { expect, test } from 'vitest';
import { openArchive } from './archive.ts';
import { handMadeZip, memoryFile } from './hand-made-zip.fixture.ts';
import { repositoryElsewhere } from './release-folders.ts';

const opened = (...names: readonly string[]) =>
  openArchive(memoryFile(handMadeZip(names.map(name => ({ name })))));

test.each([
  ['metadata/1.root.json', '"metadata/"'],
  ['metadata/timestamp.json', '"metadata/"'],
  ['release-1.0.0/repo/metadata/root.json', '"release-1.0.0/repo/metadata/"'],
  ['a"b/metadata/7.root.json', String.raw`"a\"b/metadata/"`],
])('an archive with %j is told where its repository is, and how to pack it', async (name, shown) => {
  const text = repositoryElsewhere(await opened('readme.txt', name));
  expect(text).toBe(
    `; it has ${shown}: pack the folder with metadata/ and targets/ in it under the name repo`,
  );
});

test('an archive of anything else is told nothing', async () => {
  expect(repositoryElsewhere(await opened('metadata/photo.jpg', 'xmetadata/1.root.json', 'a.txt'))).toBe('');
});
