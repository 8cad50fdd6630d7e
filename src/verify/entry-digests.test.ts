import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { openArchive } from '../archive/archive.ts';
import { createGrowingFile } from '../archive/growing-file.ts';
import { handMadeZip, memoryFile } from '../archive/hand-made-zip.fixture.ts';
import type { ArchiveLimits } from '../archive/limits.ts';
import { arbMutation, arbRecordMutation } from '../archive/mutation.fixture.ts';
import { createArchiveWriter } from '../archive/writer.ts';
import { DepotError, messageChain } from '../lib/errors.ts';
import { makeTestRepository, type TestRepository } from '../signing/release.fixture.ts';
import { type ContentDigests, digestFromStart, type KnownDigests, knownDigests } from './entry-digests.ts';
import { verifyArchive } from './verify-archive.ts';

const { signal } = new AbortController();
/** So that small files have prefix digests too. */
const SMALL_UNIT = { prefixUnitBytes: 100 };
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Of the bytes, each in hex. */
const prefixesOf = (bytes: Uint8Array): string[] => {
  const { prefixUnitBytes: unit } = SMALL_UNIT;
  const lengths = Array.from({ length: Math.ceil(bytes.length / unit) }, (_, index) => index * unit);
  return lengths.slice(1).map(length => sha256Of(bytes.subarray(0, length)));
};
const prefixesIn = ({ prefixes }: ContentDigests): string[] =>
  Buffer.from(prefixes?.digests ?? [])
    .toString('hex')
    .match(/.{64}/g) ?? [];

type Method = 'stored' | 'deflated' | 'deflated with a descriptor';
const METHODS: readonly Method[] = ['stored', 'deflated', 'deflated with a descriptor'];

/** The files of a repository, each packed by the method for its place. */
const packed = async ({ files }: TestRepository, methods: readonly Method[]): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  const writer = createArchiveWriter({
    async write(bytes) {
      pieces.push(Buffer.from(bytes));
    },
  });
  for (const [index, [name, bytes]] of [...files].entries()) {
    const method = methods[index % methods.length] ?? 'stored';
    const content = { name, sizeBytes: bytes.length, content: [bytes] };
    if (method === 'deflated') await writer.addBytes(name, bytes);
    else if (method === 'stored') await writer.add({ method, ...content, crc32: crc32(bytes) });
    else await writer.add({ method: 'deflate', ...content });
  }
  await writer.finish();
  return Buffer.concat(pieces);
};

/** What is known of an archive that arrives in pieces, each of which is only told of after the one before. */
const followed = async (zip: Uint8Array, pieceBytes: number): Promise<KnownDigests> => {
  let present = 0;
  const growing = createGrowingFile({
    async read(target, position) {
      expect(position + target.length, 'only bytes that are there are read').toBeLessThanOrEqual(present);
      target.set(zip.subarray(position, position + target.length));
      return target.length;
    },
  });
  const digesting = digestFromStart(growing.file, { ...SMALL_UNIT, signal });
  while (present < zip.length) {
    present = Math.min(zip.length, present + pieceBytes);
    growing.grewTo(present);
    await new Promise(resolve => setImmediate(resolve));
  }
  growing.ended();
  return knownDigests(await digesting, SMALL_UNIT);
};

/** A place in an archive: of one of its entries, and of a byte in it. */
const arbPlace = fc.record({ entry: fc.nat(), byte: fc.nat() });
type Place = { readonly entry: number; readonly byte: number };

/** A byte of some content differs: the archive is damaged, as its checksum says. */
const damagedAt = async (zip: Buffer, { entry, byte }: Place): Promise<Buffer> => {
  const entries = [...(await openArchive(memoryFile(zip))).entries.values()];
  const { dataOffset, compressedBytes } = entries[entry % entries.length]!;
  const changed = Buffer.from(zip);
  if (compressedBytes > 0) changed[dataOffset + (byte % compressedBytes)]! ^= 1;
  return changed;
};

/** The same before it is packed, with the checksum of the changed bytes. */
const tamperedAt = (repository: TestRepository, { entry, byte }: Place): TestRepository => {
  const files = new Map(repository.files);
  const [name, bytes] = [...files][entry % files.size]!;
  const changed = Uint8Array.from(bytes);
  if (changed.length > 0) changed[byte % changed.length]! ^= 1;
  return { ...repository, files: files.set(name, changed) };
};

const verdictOn = async (
  zip: Uint8Array,
  { trustRoot }: TestRepository,
  known: KnownDigests | undefined,
): Promise<unknown> => {
  const request = { trustRoots: [{ id: 'its own', bytes: trustRoot }], nowMs: Date.UTC(2026, 0, 1) };
  try {
    return await verifyArchive(memoryFile(zip), request, { ...SMALL_UNIT, signal, known });
  } catch (error) {
    if (!(error instanceof DepotError)) throw error;
    const { code, detail, report } = error;
    return { code, detail, report, message: messageChain(error) };
  }
};

describe('an archive that is hashed while it arrives', () => {
  let repository: TestRepository;
  beforeAll(async () => {
    const artifacts = [{ bytes: Buffer.alloc(700, 'ab') }, 100, { bytes: Buffer.alloc(0) }];
    repository = await makeTestRepository({
      artifacts,
      tamper: files => files.set('repo/targets/unsigned', Buffer.from('nobody signed this')),
    });
  });

  test('has the verdict, the report and the errors of the finished file, changed in whatever way (VA5, B2)', async () => {
    const outcomes = { verified: 0, refused: 0, known: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...METHODS), { minLength: 1, maxLength: 3 }),
        fc.option(arbPlace, { nil: undefined, freq: 2 }),
        fc.option(arbPlace, { nil: undefined, freq: 2 }),
        fc.array(fc.oneof(arbRecordMutation, arbMutation), { maxLength: 2 }),
        fc.integer({ min: 50, max: 2_000 }),
        async (methods, tampered, damaged, mutations, pieceBytes) => {
          const made = tampered === undefined ? repository : tamperedAt(repository, tampered);
          const whole = await packed(made, methods);
          const some = damaged === undefined ? whole : await damagedAt(whole, damaged);
          const zip = mutations.reduce((bytes, mutate) => mutate(bytes), some);
          const known = await followed(zip, pieceBytes);
          let asked = 0;
          const streamed = await verdictOn(zip, repository, entry => {
            const digest = known(entry);
            if (digest !== undefined) asked += 1;
            return digest;
          });
          expect(streamed).toEqual(await verdictOn(zip, repository, undefined));
          outcomes['code' in (streamed as object) ? 'refused' : 'verified'] += 1;
          if (asked > 0) outcomes.known += 1;
        },
      ),
      { numRuns: 400 },
    );
    expect(outcomes.refused).toBeGreaterThan(30);
    expect(outcomes.verified).toBeGreaterThan(30);
    expect(outcomes.known, 'digests of the stream take part in verdicts').toBeGreaterThan(30);
  });

  test('has a digest for an entry only if it is that of its bytes (EDG1)', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...METHODS), { minLength: 1, maxLength: 3 }),
        fc.array(fc.oneof(arbRecordMutation, arbMutation), { maxLength: 1 }),
        async (methods, mutations) => {
          const zip = mutations.reduce((bytes, mutate) => mutate(bytes), await packed(repository, methods));
          const known = await followed(zip, 1_000);
          const archive = await openArchive(memoryFile(zip)).catch(() => undefined);
          for (const entry of archive?.entries.values() ?? []) {
            const digests = known(entry);
            if (digests === undefined) continue;
            compared += 1;
            const bytes = await archive!.readWhole(entry, 1e6);
            expect(digests.sha256).toBe(sha256Of(bytes));
            expect(prefixesIn(digests)).toEqual(prefixesOf(bytes));
          }
        },
      ),
      { numRuns: 200 },
    );
    expect(compared).toBeGreaterThan(100);
  });

  test('is known whole if it is stored or deflated with its sizes before the data', async () => {
    const zip = await packed(repository, ['stored', 'deflated']);
    const known = await followed(zip, 300);
    const { entries } = await openArchive(memoryFile(zip));
    for (const entry of entries.values()) expect(known(entry), entry.name).toBeDefined();
  });

  test('is not known from the first data descriptor on (ES2)', async () => {
    const zip = await packed(repository, ['stored', 'deflated with a descriptor']);
    const known = await followed(zip, 300);
    const { entries } = await openArchive(memoryFile(zip));
    expect([...entries.values()].map(entry => known(entry) !== undefined)).toEqual([
      true,
      ...Array.from({ length: entries.size - 1 }, () => false),
    ]);
  });

  test('is inflated when all that is compressed has arrived, so that a size that is only claimed costs nothing (ES3)', async () => {
    const claimed = { name: 'a', data: Buffer.alloc(9_000), deflate: true, local: { compressedSize: 1e6 } };
    const file = fileThatEnds(handMadeZip([claimed]));
    let readBytes = 0;
    const counting = {
      ...file,
      async read(target: Uint8Array, position: number) {
        readBytes += target.length;
        return file.read(target, position);
      },
    };
    expect(await digestFromStart(counting, { signal })).toHaveLength(0);
    expect(readBytes, 'one header, and a look for the last byte').toBeLessThan(300);
  });

  test('is not known for an entry of another place, method, size or checksum (EDG1)', async () => {
    const zip = handMadeZip([{ name: 'a', data: 'hello' }]);
    const known = await followed(zip, 10);
    const entry = (await openArchive(memoryFile(zip))).entries.get('a')!;
    expect(known(entry)).toEqual({ sha256: sha256Of(Buffer.from('hello')), prefixes: undefined });
    for (const other of [
      { dataOffset: entry.dataOffset + 1 },
      { method: 'deflate' as const },
      { sizeBytes: 4 },
      { compressedBytes: 4 },
      { crc32: 0 },
    ])
      expect(known({ ...entry, ...other })).toBeUndefined();
  });

  test.each([
    ['inflates to more than sixteen times its bytes', { data: Buffer.alloc(5_000), deflate: true }],
    [
      'claims compressed bytes that do not come',
      { data: Buffer.alloc(5_000), deflate: true, local: { compressedSize: 1e6 } },
    ],
    ['does not match its checksum', { data: 'hello', crc: 1 }],
    ['is stored with two sizes', { data: 'hello', local: { size: 4 } }],
    ['has a second name', { data: 'hello', extra: Buffer.from([0x75, 0x70, 5, 0, 1, 0, 0, 0, 0]) }],
  ])('ends before an entry that %s (ES2, ES3)', async (_, fields) => {
    const zip = handMadeZip([
      { name: 'good', data: 'x' },
      { name: 'a', ...fields },
    ]);
    expect(await digestCount(zip)).toBe(1);
  });

  test('has no more entries than the limit, and none above the limit of an entry', async () => {
    const zip = handMadeZip(['a', 'b', 'c'].map(name => ({ name, data: 'hello' })));
    expect(await digestCount(zip, { maxEntries: 2 })).toBe(2);
    expect(await digestCount(zip, { maxEntryBytes: 4 })).toBe(0);
    expect(await digestCount(zip, { maxTotalBytes: 10 })).toBe(2);
  });
});

const digestCount = async (zip: Uint8Array, limits?: Partial<ArchiveLimits>): Promise<number> =>
  (await digestFromStart(fileThatEnds(zip), { limits, signal })).length / 64;

/** A file of which a read beyond the end gives what there is, as a system does. */
const fileThatEnds = (bytes: Uint8Array) => ({
  sizeBytes: Number.MAX_SAFE_INTEGER,
  async read(target: Uint8Array, position: number) {
    const part = bytes.subarray(position, position + target.length);
    target.set(part);
    return part.length;
  },
});
