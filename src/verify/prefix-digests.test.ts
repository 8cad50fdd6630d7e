/** The prefix digests of a verified release, against a computation of their own. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Archive, openArchive } from '../archive/archive.ts';
import { memoryFile } from '../archive/hand-made-zip.fixture.ts';
import { v1Artifact, wholeV1Release } from '../composite/composites.fixture.ts';
import { makeTestRelease, type TestReleaseOptions } from '../signing/release.fixture.ts';
import { extractParts } from './extract-parts.ts';
import type { VerifiedRelease } from './verified-release.ts';
import { verifyArchive } from './verify-archive.ts';

const UNIT_BYTES = 64;
const { signal } = new AbortController();

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-prefixes-'));
});
afterAll(() => rm(directory, { recursive: true }));

const verify = async (options: TestReleaseOptions, prefixUnitBytes?: number) => {
  const { path, trustRoot } = await makeTestRelease(directory, options);
  const file = memoryFile(await readFile(path));
  const request = { trustRoots: [{ id: 'its own', bytes: trustRoot }], nowMs: Date.UTC(2026, 0, 1) };
  const verified = await verifyArchive(file, request, {
    signal,
    ...(prefixUnitBytes !== undefined && { prefixUnitBytes }),
  });
  return { verified, contents: await contentsOf(await openArchive(file), verified) };
};

/** The bytes of each artifact, whole or part, by its hash. */
const contentsOf = async (
  archive: Archive,
  { entries, composites }: VerifiedRelease,
): Promise<Map<string, Uint8Array>> => {
  const contents = new Map<string, Uint8Array>();
  for (const [sha256, { entryName }] of entries)
    contents.set(sha256, await archive.readWhole(archive.entries.get(entryName)!, 1e8));
  for (const composite of composites) {
    let chunks: Uint8Array[] = [];
    const sink = {
      write: async (chunk: Uint8Array) => void chunks.push(Uint8Array.from(chunk)),
      end({ sha256 }: { readonly sha256: string }) {
        contents.set(sha256, Buffer.concat(chunks));
        chunks = [];
      },
    };
    await extractParts(archive, composite, { sink, signal });
  }
  return contents;
};

const digestsOf = (bytes: Uint8Array, unitBytes: number): Buffer => {
  const digests: Buffer[] = [];
  for (let end = unitBytes; end < bytes.length; end += unitBytes)
    digests.push(createHash('sha256').update(bytes.subarray(0, end)).digest());
  return Buffer.concat(digests);
};

test.each([
  ['v2', [1_000, UNIT_BYTES, UNIT_BYTES + 1, 10, { bytes: Buffer.alloc(0) }]],
  ['plain', [1_000, UNIT_BYTES + 1]],
  ['v1', wholeV1Release()],
  ['v1', [v1Artifact('gimlet_sp', Buffer.alloc(500, 'b')), v1Artifact('brand_new', Buffer.alloc(500, 'c'))]],
] as const)(
  'each artifact of a release in format %s that is larger than one unit has its prefix digests, whole target or part',
  async (format, artifacts) => {
    const { verified, contents } = await verify({ format, artifacts }, UNIT_BYTES);
    let found = 0;
    for (const { sha256, targetName, sizeBytes } of verified.description.artifacts) {
      const prefixes = verified.prefixesOf.get(sha256);
      const expected = digestsOf(contents.get(sha256)!, UNIT_BYTES);
      expect(Buffer.from(prefixes?.digests ?? []), targetName).toEqual(expected);
      expect(prefixes !== undefined, targetName).toBe(sizeBytes > UNIT_BYTES);
      if (prefixes !== undefined) found += 1;
    }
    expect(found).toBeGreaterThan(1);
    expect(
      [...verified.prefixesOf.keys()].filter(sha256 => !contents.has(sha256)),
      'of artifacts alone',
    ).toEqual([]);
  },
);

test('the unit is a MiB', async () => {
  const MIB = 1024 * 1024;
  const { verified, contents } = await verify({ artifacts: [2.5 * MIB, MIB] });
  const [large, small] = verified.description.artifacts;
  expect([...verified.prefixesOf]).toEqual([
    [
      large!.sha256,
      { unitBytes: MIB, digests: new Uint8Array(digestsOf(contents.get(large!.sha256)!, MIB)) },
    ],
  ]);
  expect(small!.sizeBytes).toBe(MIB);
});
