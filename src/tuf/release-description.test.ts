/** From signed targets and documents to releases. */
import { expect, test } from 'vitest';
import { ArtifactHash } from '../core/ids.ts';
import type { ReleaseDescription } from '../core/release.ts';
import { makeTestRepository, seededBytes, type TestReleaseOptions } from '../signing/release.fixture.ts';
import type { SignedObject } from '../signing/sign-metadata.ts';
import { type DescribedRelease, readRelease, withHashes, withKnownHashes } from './release-description.ts';
import { targetFileNames, targetNameProblem } from './targets.ts';
import { verifyRepository } from './workflow.ts';

const describeRelease = async (options: TestReleaseOptions): Promise<ReleaseDescription> =>
  withHashes(await metadataOf(options), new Map());

const metadataOf = async (options: TestReleaseOptions): Promise<DescribedRelease> => {
  const { files, trustRoot } = await makeTestRepository(options);
  const read = (folder: string) => async (name: string) => files.get(`repo/${folder}/${name}`);
  const trustRoots = [{ id: 'pinned', bytes: trustRoot }];
  const repository = await verifyRepository({ read: read('metadata') }, { trustRoots, nowMs: 0 });
  return readRelease(repository, read('targets'));
};

/** A v2 repository whose document is written by hand. */
const documented = (document: unknown, options: TestReleaseOptions = {}) => {
  const bytes = Buffer.from(JSON.stringify(document));
  return describeRelease({
    format: 'plain',
    consistentSnapshot: false,
    artifacts: [{ targetName: 'artifacts-v2.json', bytes }, 100, 200],
    ...options,
  });
};
const artifact = (index: number, more: object = {}) => ({
  target_name: `artifact-${index}.bin`,
  version: '1.0.0',
  tags: { kind: 'zone', zone_name: `zone-${index}` },
  ...more,
});
const release = (...artifacts: object[]) => ({ system_version: '1.2.3', artifacts, metadata: {} });

const editTargets = (change: (targets: Record<string, SignedObject>) => void) => ({
  edit: { targets: (signed: SignedObject) => change(signed.targets as Record<string, SignedObject>) },
});

test.each([true, false])(
  'a v2 document becomes a release, consistent snapshot %s',
  async consistentSnapshot => {
    const metadata = { note: 'of the builder' };
    const described = await describeRelease({
      systemVersion: '2.0.0-rc.1',
      consistentSnapshot,
      metadata,
      artifacts: [10],
    });
    const content = await makeTestRepository({ systemVersion: '2.0.0-rc.1', artifacts: [10] });
    expect(described).toEqual({
      format: 'v2',
      systemVersion: '2.0.0-rc.1',
      metadata,
      artifacts: [
        {
          targetName: 'artifact-0.bin',
          version: '2.0.0-rc.1',
          tags: { kind: 'zone', name: 'test-0' },
          sizeBytes: 10,
          sha256: content.artifacts[0]?.sha256,
        },
      ],
    });
  },
);

test('a v1 document gives a release whose tags are kind and name', async () => {
  const described = await describeRelease({
    format: 'v1',
    artifacts: [{ tags: { kind: 'a_new_kind', name: 'x' } }],
  });
  expect(described).toMatchObject({ format: 'v1', artifacts: [{ tags: { kind: 'a_new_kind', name: 'x' } }] });
});

test('if both documents exist, the newer format counts', async () => {
  const v1 = { targetName: 'artifacts.json', bytes: Buffer.from('not even JSON') };
  expect((await describeRelease({ artifacts: [v1, 10] })).format).toBe('v2');
});

test('without a document the targets are the artifacts, as their signed extension describes them', async () => {
  const described = await describeRelease({
    format: 'plain',
    artifacts: [{ version: '7', tags: { kind: 'os' } }],
  });
  expect(described).toMatchObject({
    format: 'plain',
    systemVersion: '1.0.0',
    artifacts: [{ version: '7', tags: { kind: 'os' } }],
  });
});

test('a plain repository becomes a release, and shared bytes keep their version', async () => {
  const strip = (signed: SignedObject) => {
    delete signed['x-tuf-depot'];
    for (const target of Object.values(signed.targets as Record<string, SignedObject>)) delete target.custom;
  };
  const make = (targets: number) =>
    describeRelease({
      format: 'plain',
      versions: { targets },
      artifacts: [{ seed: 'shared', targetName: 'dir/constructor' }],
      edit: { targets: strip },
    });
  const [first, second] = [await make(41), await make(42)];
  expect(first.systemVersion).toMatch(/^0\.0\.0-targets\.41\.s[0-9a-f]{10}$/);
  expect(second.systemVersion).toMatch(/^0\.0\.0-targets\.42\.s[0-9a-f]{10}$/);
  const [shared] = first.artifacts;
  expect(shared).toMatchObject({
    targetName: 'dir/constructor',
    tags: { kind: 'target', name: 'dir/constructor' },
  });
  expect(shared?.version).toBe(shared?.sha256.slice(0, 16));
  expect(second.artifacts).toEqual(first.artifacts);
});

test('measurement corpora may have equal tags, other artifacts may not, and unknown kinds are kept (DO3)', async () => {
  const corpus = { tags: { kind: 'measurement_corpus' } };
  expect((await documented(release(artifact(1, corpus), artifact(2, corpus)))).artifacts).toHaveLength(2);
  const same = { tags: { kind: 'sled_of_the_future', b: '2', a: '1' } };
  const reordered = { tags: { a: '1', b: '2', kind: 'sled_of_the_future' } };
  await expect(documented(release(artifact(1, same), artifact(2, reordered)))).rejects.toThrow(
    /the same tags/,
  );
});

test('one hash has one length and one version (DO2)', async () => {
  const twins = [1, 2].map(() => ({ bytes: seededBytes('twin', 50) }));
  const withTwins = (document: unknown) =>
    documented(document, {
      artifacts: [
        { targetName: 'artifacts-v2.json', bytes: Buffer.from(JSON.stringify(document)) },
        ...twins,
      ],
    });
  expect((await withTwins(release(artifact(1), artifact(2)))).artifacts).toHaveLength(2);
  await expect(withTwins(release(artifact(1), artifact(2, { version: '2' })))).rejects.toThrow(
    /same sha256 .* versions 1\.0\.0 and 2/,
  );
  const wrongLength = editTargets(targets => {
    (targets['artifact-2.bin'] as SignedObject).length = 51;
  });
  const document = release(artifact(1), artifact(2));
  const bytes = Buffer.from(JSON.stringify(document));
  const artifacts = [{ targetName: 'artifacts-v2.json', bytes }, ...twins];
  await expect(documented(document, { artifacts, ...wrongLength })).rejects.toThrow(/the lengths 50 and 51/);
});

test.each<[string, unknown, RegExp]>([
  [
    'a target that is not signed',
    release(artifact(9)),
    /lists "artifact-9\.bin", which is not a signed target/,
  ],
  [
    'a target called constructor that is not signed',
    release(artifact(1, { target_name: 'constructor' })),
    /not a signed/,
  ],
  [
    'a version with a blank',
    release(artifact(1, { version: '1 0' })),
    /field "artifacts\[0\]\.version".*artifact-1\.bin/,
  ],
  ['an empty version', release(artifact(1, { version: '' })), /version/],
  ['a version of 64 characters', release(artifact(1, { version: 'a'.repeat(64) })), /version/],
  ['a tag that is no string', release(artifact(1, { tags: { kind: 1 } })), /artifacts\[0\]\.tags\.kind/],
  ['no tags', release(artifact(1, { tags: undefined })), /tags/],
  [
    'a system version that is not semantic',
    { ...release(), system_version: '1.2' },
    /system_version.*semantic/,
  ],
  ['no artifacts', { system_version: '1.2.3', metadata: {} }, /"artifacts"/],
])('a document with %s is refused', async (_, document, message) => {
  await expect(documented(document)).rejects.toMatchObject({
    code: 'RELEASE_DOCUMENT_INVALID',
    message: expect.stringMatching(message),
  });
});

test('a document that is missing, or differs from the signed one, is refused (B2)', async () => {
  const name = 'repo/targets/artifacts-v2.json';
  const tampered = (change: (bytes: Uint8Array) => Uint8Array) =>
    describeRelease({ tamper: files => files.set(name, change(files.get(name) as Uint8Array)) });
  await expect(tampered(bytes => bytes.slice(1))).rejects.toMatchObject({ code: 'TARGET_LENGTH_MISMATCH' });
  await expect(tampered(bytes => bytes.slice().reverse())).rejects.toMatchObject({
    code: 'TARGET_HASH_MISMATCH',
  });
  const missing = describeRelease({ tamper: files => files.delete(name) });
  await expect(missing).rejects.toMatchObject({ code: 'TARGET_MISSING' });
});

test.each<[string, object, RegExp | undefined]>([
  [
    'md5 only',
    { md5: '0'.repeat(32) },
    /no usable target: artifact-1\.bin has only hashes of unknown kinds \(md5\)/,
  ],
  ['none', {}, /must hold a sha256 or a sha512/],
  ['a short sha256', { sha256: '00' }, /64 hex digits/],
  ['a sha256 with another letter', { sha256: 'G'.repeat(64) }, /64 hex digits/],
  ['a sha512 with another letter', { sha512: 'G'.repeat(128) }, /128 hex digits/],
])('an artifact whose hashes are %s is refused', async (_, hashes, message) => {
  const edit = editTargets(targets => {
    (targets['artifact-1.bin'] as SignedObject).hashes = hashes;
  });
  await expect(documented(release(artifact(1)), edit)).rejects.toThrow(message);
});

test('a hash in upper case is the hash', async () => {
  const edit = editTargets(targets => {
    const target = targets['artifact-0.bin'] as SignedObject;
    const { sha256 } = target.hashes as { sha256: string };
    target.hashes = { sha256: sha256.toUpperCase() };
  });
  const [plain] = (await describeRelease({ format: 'plain', artifacts: [10] })).artifacts;
  const [upper] = (await describeRelease({ format: 'plain', artifacts: [10], ...edit })).artifacts;
  expect(upper?.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(upper?.sha256).toBe(plain?.sha256);
});

test('a target that nothing proves is left out by name, and the release is that of the others (DO4)', async () => {
  const edit = editTargets(targets => {
    (targets['artifact-0.bin'] as SignedObject).hashes = { 'blake2b-256': 'ab', md5: 'cd' };
  });
  const described = await describeRelease({ format: 'plain', artifacts: [10, 20], ...edit });
  expect(described.artifacts.map(({ targetName }) => targetName)).toEqual(['artifact-1.bin']);
  expect(described.leftOut).toEqual([
    { kind: 'unknown_hashes', targetName: 'artifact-0.bin', algorithms: ['blake2b-256', 'md5'] },
  ]);
});

test('an artifact with a SHA-512 alone is addressed by the SHA-256 of its bytes, and has no address before they are read (DO1)', async () => {
  const edit = editTargets(targets => {
    (targets['artifact-0.bin'] as SignedObject).hashes = { sha512: '0'.repeat(128) };
    delete (targets['artifact-0.bin'] as SignedObject).custom;
  });
  const described = await metadataOf({ format: 'plain', artifacts: [10, 20], ...edit });
  expect(() => withHashes(described, new Map())).toThrow(/artifact-0\.bin has no sha256/);
  expect(withKnownHashes(described.artifacts).map(({ targetName }) => targetName)).toEqual([
    'artifact-1.bin',
  ]);
  const sha256 = ArtifactHash.parse('a'.repeat(64));
  const [artifact] = withHashes(described, new Map([['artifact-0.bin', sha256]])).artifacts;
  expect(artifact).toMatchObject({ sha256, version: 'a'.repeat(16), sizeBytes: 10 });
  const [, other] = withHashes(described, new Map([['artifact-0.bin', sha256]])).artifacts;
  expect(() => withHashes(described, new Map([['artifact-0.bin', other!.sha256]]))).toThrow(
    /the same sha256/,
  );
});

test.each([
  '../up',
  'a/../b',
  '/absolute',
  '',
  'a//b',
  'a/',
  './a',
  'a\\b',
  'a\0b',
  'a\nb',
  'a\u202egpj.exe',
  'a\u200bb',
  'a\u0085b',
  'e\u0301',
  'x'.repeat(513),
])('CVE-2026-24686, CVE-2026-6968: the target name %j refuses the whole repository', async name => {
  expect(targetNameProblem(name)).toBeDefined();
  const edit = editTargets(targets => {
    targets[name] = targets['artifact-0.bin'] as SignedObject;
  });
  await expect(describeRelease(edit)).rejects.toMatchObject({ code: 'METADATA_INVALID' });
});

test.each(['constructor', '__proto__', 'a b', 'a?b#c', 'dir/..name', 'é'])(
  'the target name %j is a name',
  async name => {
    expect(targetNameProblem(name)).toBeUndefined();
    const [made] = (await describeRelease({ format: 'plain', artifacts: [{ targetName: name }] })).artifacts;
    expect(made?.targetName).toBe(name);
  },
);

test('a consistent target is found under its hash, in either place that writers use', () => {
  const sha256 = ArtifactHash.parse('a'.repeat(64));
  const hashes = { sha256, sha512: undefined };
  expect(targetFileNames('dir/name', hashes, false)).toEqual(['dir/name']);
  expect(targetFileNames('name', hashes, true)).toEqual([`${sha256}.name`]);
  expect(targetFileNames('dir/name', hashes, true)).toEqual([`dir/${sha256}.name`, `${sha256}.dir/name`]);
  const more = { ...hashes, others: ['b2'] };
  expect(targetFileNames('name', more, true)).toEqual([`${sha256}.name`, 'b2.name']);
});
