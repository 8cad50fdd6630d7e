/** Archives that went through a random mill: whatever comes out, the reader answers, and in its own words. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DepotError } from '../lib/errors.ts';
import { openArchive } from './archive.ts';
import { type HandMadeEntry, handMadeZip, memoryFile, packed, zip64Extra } from './hand-made-zip.fixture.ts';
import { arbMutation } from './mutation.fixture.ts';

const SENTINEL = 0xffffffff;
const bases: readonly Buffer[] = [
  handMadeZip([
    { name: 'repo/' },
    { name: 'repo/a', data: 'hello' },
    { name: 'repo/b', data: 'hello hello', deflate: true },
  ]),
  handMadeZip(
    [
      {
        name: 'a',
        data: 'hello',
        local: { size: SENTINEL, compressedSize: SENTINEL, extra: zip64Extra(5, 5) },
        central: { size: SENTINEL, compressedSize: SENTINEL, offset: SENTINEL, extra: zip64Extra(5, 5, 0) },
      },
    ],
    { count: 0xffff, size: SENTINEL, offset: SENTINEL, zip64: {} },
  ),
  handMadeZip([
    {
      name: 'a',
      flags: 8,
      descriptor: packed([4, 0x08074b50], [4, 0], [4, 0], [4, 0]),
    } satisfies HandMadeEntry,
  ]),
];

const readAll = async (zip: Uint8Array): Promise<'read' | DepotError> => {
  try {
    const archive = await openArchive(memoryFile(zip));
    for (const entry of archive.entries.values()) {
      for await (const chunk of archive.read(entry)) expect(chunk.length).toBeGreaterThan(0);
    }
    return 'read';
  } catch (error) {
    // Anything else, such as a read outside of the file or a RangeError of a view, is the reader's fault.
    if (error instanceof DepotError && error.code.startsWith('ARCHIVE_')) return error;
    throw error;
  }
};

test('a mutated archive is read or refused, without a read outside of the file, and the search ends', async () => {
  const outcomes = { read: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...bases),
      fc.array(arbMutation, { minLength: 1, maxLength: 4 }),
      async (base, mutations) => {
        const outcome = await readAll(mutations.reduce((zip, mutate) => mutate(zip), base));
        outcomes[outcome === 'read' ? 'read' : 'refused'] += 1;
      },
    ),
    { numRuns: 3000 },
  );
  expect(outcomes.refused, 'mutations reach the checks').toBeGreaterThan(1000);
  expect(outcomes.read, 'and some of them change nothing that matters').toBeGreaterThan(0);
});

test('a changed byte of content or of its headers never goes unnoticed', async () => {
  const base = handMadeZip([
    { name: 'a', data: 'hello' },
    { name: 'b', data: 'hello hello hello', deflate: true },
  ]);
  const meaning = async (zip: Uint8Array) => {
    const archive = await openArchive(memoryFile(zip));
    const contents = [];
    for (const entry of archive.entries.values()) {
      contents.push([entry.name, Buffer.from(await archive.readWhole(entry, 1000)).toString()]);
    }
    return contents;
  };
  const original = await meaning(base);
  for (let position = 0; position < base.length; position += 1) {
    const changed = Buffer.from(base);
    changed[position]! ^= 0x41;
    const outcome = await meaning(changed).catch((error: unknown) => error);
    // Times and the writer's version may change; names and contents may not.
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(DepotError);
    else expect(outcome, `byte ${position}`).toEqual(original);
  }
});
