import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { verifyArchive } from '../verify/verify-archive.ts';
import { type AssembleOptions, assembleRelease, writeRepositoryArchive } from './assemble.ts';
import { measure } from './measure.ts';
import { seededBytes } from './release.fixture.ts';
import { keysForAllRoles, rotateRoot } from './sign-metadata.ts';
import { generateSigningKey } from './signing-keys.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-assemble-'));
});
afterEach(() => rm(directory, { recursive: true }));

const EXPIRES_MS = Date.UTC(2100, 0, 1);
const NOW_MS = Date.UTC(2026, 0, 1);
const keys = keysForAllRoles([generateSigningKey()]);

const artifact = (index: number) => ({
  targetName: `dir/zone-${index}.tar.gz`,
  version: '1.0.0',
  tags: { kind: 'zone', name: `zone-${index}` },
});

/** One artifact on disk, of three reads' length, and one in memory. */
const makeOptions = async (more: Partial<AssembleOptions> = {}): Promise<AssembleOptions> => {
  const path = join(directory, 'zone-0');
  await writeFile(path, seededBytes('zone-0', 3_000_000));
  return {
    systemVersion: '3.1.4',
    format: 'v2',
    artifacts: [
      { ...artifact(0), path },
      { ...artifact(1), bytes: seededBytes('zone-1', 10) },
    ],
    keys,
    expiresMs: EXPIRES_MS,
    versions: { timestamp: 3, snapshot: 2, targets: 1 },
    outputPath: join(directory, 'release.zip'),
    ...more,
  };
};

const verify = async (path: string, trustRoot: Uint8Array) => {
  await using file = await openRandomAccessFile(path);
  const request = { trustRoots: [{ id: 'own', bytes: trustRoot }], nowMs: NOW_MS };
  return await verifyArchive(file, request, { signal: AbortSignal.timeout(30_000) });
};

test.each([
  ['v2', undefined],
  ['v2', true],
  ['v1', undefined],
  ['v1', false],
  ['plain', undefined],
  ['plain', false],
] as const)(
  'an assembled release verifies to the last byte: format %s, consistent snapshot %s',
  async (format, consistent) => {
    const options = await makeOptions({
      format,
      ...(consistent !== undefined && { consistentSnapshot: consistent }),
    });
    const assembled = await assembleRelease(options);
    const verified = await verify(assembled.path, assembled.trustRoot);
    expect(verified.description).toEqual(assembled.release);
    expect(verified.unsignedFiles).toEqual([]);
    expect(verified.versions).toEqual({ root: 1, timestamp: 3, snapshot: 2, targets: 1 });
    expect(assembled.release).toMatchObject({
      systemVersion: '3.1.4',
      format,
      artifacts: [
        { ...artifact(0), sizeBytes: 3_000_000 },
        { ...artifact(1), sizeBytes: 10 },
      ],
    });
  },
);

test('equal input gives equal archives, and the hash is that of the file (A1)', async () => {
  const options = await makeOptions();
  const first = await assembleRelease(options);
  const second = await assembleRelease({ ...options, outputPath: join(directory, 'again.zip') });
  expect(second.sha256).toBe(first.sha256);
  const bytes = await readFile(first.path);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(first.sha256);
  expect(bytes.length).toBe(first.sizeBytes);
});

test('a root chain is carried whole, and the release verifies against every root of it', async () => {
  const next = keysForAllRoles([generateSigningKey(), generateSigningKey('ecdsa-p256')], 2);
  const { trustRoot: first } = await assembleRelease(await makeOptions());
  const rotation = { keys: next, expiresMs: EXPIRES_MS, consistentSnapshot: true };
  const second = rotateRoot({ bytes: first, keys: keys.root.keys }, rotation);
  const { path } = await assembleRelease(await makeOptions({ keys: next, rootChain: [first, second] }));
  for (const root of [first, second]) {
    expect((await verify(path, root)).versions.root).toBe(2);
  }
});

test('a release that would not verify is not written (A2)', async () => {
  const options = await makeOptions();
  const [one, two] = options.artifacts as [(typeof options.artifacts)[0], (typeof options.artifacts)[0]];
  const { trustRoot } = await assembleRelease({ ...options, outputPath: join(directory, 'first.zip') });
  const strangers = keysForAllRoles([generateSigningKey()]);
  for (const [change, code] of [
    [{ systemVersion: '1.2' }, 'RELEASE_DOCUMENT_INVALID'],
    [{ artifacts: [one, { ...two, tags: one.tags }] }, 'RELEASE_DOCUMENT_INVALID'],
    [{ artifacts: [one, { ...two, targetName: one.targetName }] }, 'RELEASE_DOCUMENT_INVALID'],
    [{ artifacts: [{ ...one, targetName: '../up' }] }, 'METADATA_INVALID'],
    [{ artifacts: [{ ...one, version: '' }] }, 'RELEASE_DOCUMENT_INVALID'],
    [{ format: 'v1', artifacts: [{ ...one, tags: { kind: 'zone' } }] }, 'RELEASE_DOCUMENT_INVALID'],
    [{ format: 'v1', metadata: { note: 'lost' } }, 'RELEASE_DOCUMENT_INVALID'],
    [{ keys: strangers, rootChain: [trustRoot] }, 'UNTRUSTED_SIGNATURES'],
    [{ rootChain: [] }, 'METADATA_INVALID'],
    [{ outputPath: join(directory, 'absent', 'release.zip') }, 'IO'],
    [{ versions: { timestamp: 0, snapshot: 1, targets: 1 } }, 'METADATA_INVALID'],
    [{ artifacts: [{ ...artifact(0), path: join(directory, 'absent') }] }, 'IO'],
  ] as [Partial<AssembleOptions>, string][]) {
    await expect(assembleRelease({ ...options, ...change })).rejects.toMatchObject({ code });
  }
  expect((await readdir(directory)).sort()).toEqual(['first.zip', 'zone-0']);
});

test.each([
  ['shorter', Buffer.alloc(100)],
  ['longer', seededBytes('zone-0', 3_000_001)],
  ['another of the same length', seededBytes('other', 3_000_000)],
])(
  'an artifact that becomes %s after it was measured is an error, and nothing is left (A3, A4)',
  async (_, bytes) => {
    const options = await makeOptions();
    const path = join(directory, 'zone-0');
    const content = { path };
    const targets = new Map([['zone-0', { content, measured: await measure(content) }]]);
    await writeFile(path, bytes);
    await expect(
      writeRepositoryArchive({ metadata: new Map(), targets }, options.outputPath),
    ).rejects.toMatchObject({
      code: 'ARCHIVE_DAMAGED',
    });
    expect(await readdir(directory)).toEqual(['zone-0']);
  },
);

test('an assembly ends with its signal, and leaves nothing', async () => {
  const reason = new Error('enough');
  await expect(assembleRelease(await makeOptions(), { signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  );
  expect(await readdir(directory)).toEqual(['zone-0']);
});
