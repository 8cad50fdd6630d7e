import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openArchive } from '../archive/archive.ts';
import { openRandomAccessFile } from '../lib/random-access-file.ts';
import { verifyArchive } from '../verify/verify-archive.ts';
import { type ArtifactInput, type AssembleOptions, assembleRelease } from './assemble.ts';
import type { DelegationPlan } from './delegations.ts';
import { type EditOptions, editRelease } from './edit.ts';
import { openRelease } from './opened-release.ts';
import { makeTestRelease, seededBytes } from './release.fixture.ts';
import { republish } from './republish.ts';
import { keysForAllRoles, rotateRoot } from './sign-metadata.ts';
import { generateSigningKey } from './signing-keys.ts';

const NOW_MS = Date.UTC(2026, 5, 1);
const SOON_MS = Date.UTC(2026, 6, 1);
const LATE_MS = Date.UTC(2100, 0, 1);
const SECONDS = NOW_MS / 1000;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-edit-'));
});
afterEach(() => rm(directory, { recursive: true }));

const key = generateSigningKey();
const teamKey = generateSigningKey('ecdsa-p256');
const keys = keysForAllRoles([key]);

const artifact = (name: string, seed = name): ArtifactInput => ({
  targetName: name,
  version: '1',
  tags: { kind: 'zone', name },
  bytes: seededBytes(seed, 5000),
});

const assemble = (more: Partial<AssembleOptions> = {}) =>
  assembleRelease({
    systemVersion: '1.0.0',
    format: 'v2',
    artifacts: [artifact('a'), artifact('b'), artifact('team/c')],
    metadata: { note: 'kept' },
    keys,
    expiresMs: SOON_MS,
    versions: { timestamp: 1, snapshot: 1, targets: 1 },
    outputPath: join(directory, 'one.zip'),
    ...more,
  });

const options = { keys: [key], nowMs: NOW_MS, expiresMs: LATE_MS };
const edit = (path: string, more: Partial<EditOptions> = {}) =>
  editRelease(path, {
    ...options,
    systemVersion: '1.1.0',
    add: [],
    remove: [],
    outputPath: join(directory, 'two.zip'),
    ...more,
  });

const verify = async ({ path, trustRoot }: { path: string; trustRoot: Uint8Array }) => {
  await using file = await openRandomAccessFile(path);
  const request = { trustRoots: [{ id: 'own', bytes: trustRoot }], nowMs: NOW_MS };
  return await verifyArchive(file, request, { signal: AbortSignal.timeout(30_000) });
};

const team: DelegationPlan = {
  kind: 'roles',
  roles: [
    { name: 'team', signers: { keys: [teamKey], threshold: 1 }, terminating: true, paths: ['team/*'] },
    {
      name: 'rest/of it',
      signers: { keys: [teamKey], threshold: 1 },
      terminating: false,
      pathHashPrefixes: ['0', '1'],
    },
  ],
};
const bins: DelegationPlan = {
  kind: 'hash_bins',
  namePrefix: 'bin',
  bitLength: 3,
  signers: { keys: [teamKey], threshold: 1 },
};

describe('delegations', () => {
  test.each([
    ['paths and hash prefixes', team],
    ['hash bins', bins],
  ])('a release with %s verifies in every format, and every artifact is found', async (_, delegations) => {
    for (const format of ['v2', 'v1', 'plain'] as const) {
      const assembled = await assemble({ delegations, format, metadata: {} });
      const { description, unsignedFiles } = await verify(assembled);
      expect(description.artifacts.map(({ targetName }) => targetName).sort()).toEqual(['a', 'b', 'team/c']);
      expect(unsignedFiles).toEqual([]);
    }
  });

  test('a delegated artifact is listed by its role, not by the top-level one', async () => {
    const { path } = await assemble({ delegations: team });
    await using opened = await openRelease(path);
    expect([...opened.roles.get('team')!.targets.keys()]).toEqual(['team/c']);
    expect([...opened.roles.get('targets')!.targets.keys()]).not.toContain('team/c');
  });

  test('an archive has the plain name of a role where that is a file name, and the encoded one where not (FN1)', async () => {
    const [{ path, trustRoot }, names] = [
      await assemble({
        delegations: { ...team, roles: [{ ...team.roles[0]!, name: 'team ü' }, team.roles[1]!] },
      }),
      ['team ü', 'rest%2Fof%20it'],
    ];
    await using file = await openRandomAccessFile(path);
    const entries = [...(await openArchive(file)).entries.keys()];
    for (const name of names) expect(entries.some(entry => entry.endsWith(`${name}.json`))).toBe(true);
    expect(await verify({ path, trustRoot })).toMatchObject({ unsignedFiles: [] });
    await using opened = await openRelease(path);
    expect([...opened.roles.keys()]).toEqual(['targets', 'team ü', 'rest/of it']);
  });

  test.each<[string, DelegationPlan]>([
    [
      'a pattern that clients read differently',
      { kind: 'roles', roles: [{ ...team.roles[0]!, paths: ['{a,b}'] }] } as DelegationPlan,
    ],
    [
      'a role of a reserved name',
      { kind: 'roles', roles: [{ ...team.roles[0]!, name: 'root' }] } as DelegationPlan,
    ],
    ['too many bins', { ...bins, bitLength: 20 } as DelegationPlan],
  ])('%s is refused', async (_, delegations) => {
    await expect(assemble({ delegations })).rejects.toMatchObject({ code: 'METADATA_INVALID' });
  });
});

describe('editing', () => {
  test.each(['v2', 'v1', 'plain'] as const)('adds and removes artifacts: format %s', async format => {
    const before = await assemble({ format, metadata: {} });
    const bytes = await readFile(before.path);
    const after = await edit(before.path, { add: [artifact('d')], remove: ['a'] });
    const { description, unsignedFiles, versions } = await verify(after);
    expect(description.systemVersion).toBe('1.1.0');
    expect(description.artifacts.map(({ targetName }) => targetName).sort()).toEqual(['b', 'd', 'team/c']);
    expect(description.artifacts.find(({ targetName }) => targetName === 'd')).toMatchObject({
      version: '1',
      tags: { kind: 'zone', name: 'd' },
      sizeBytes: 5000,
    });
    expect(unsignedFiles).toEqual([]);
    expect(versions).toMatchObject({ root: 1, timestamp: SECONDS, snapshot: SECONDS, targets: SECONDS });
    expect((await readFile(before.path)).equals(bytes)).toBe(true);
  });

  test('metadata of the release, and artifacts that stay, are as they were (RP1)', async () => {
    const before = await assemble();
    const { release } = await edit(before.path, { add: [artifact('d')] });
    expect(release.metadata).toEqual({ note: 'kept' });
    expect(release.artifacts.slice(0, 3)).toEqual(before.release.artifacts);
  });

  test('only the roles that change are signed; the others keep their file, whoever has their keys (ED1, RP2)', async () => {
    const before = await assemble({ delegations: team });
    const after = await edit(before.path, { add: [artifact('d/e')] });
    await using old = await openRelease(before.path);
    await using opened = await openRelease(after.path);
    expect(opened.roles.get('team')!.bytes).toEqual(old.roles.get('team')!.bytes);
    await expect(edit(before.path, { add: [artifact('team/d')] })).rejects.toMatchObject({
      code: 'SIGNING_KEY_INVALID',
      message: expect.stringMatching(
        /the role team needs signatures by 1 of its keys .*; 0 of the 1 given keys/,
      ),
    });
    const both = await edit(before.path, {
      add: [artifact('team/d')],
      remove: ['team/c'],
      keys: [key, teamKey],
    });
    expect((await verify(both)).description.artifacts.map(({ targetName }) => targetName)).toEqual([
      'a',
      'b',
      'team/d',
    ]);
  });

  test('hash bins receive added artifacts, and lose removed ones', async () => {
    const before = await assemble({ delegations: bins });
    const after = await edit(before.path, { add: [artifact('new')], remove: ['b'], keys: [key, teamKey] });
    expect((await verify(after)).description.artifacts.map(({ targetName }) => targetName)).toEqual([
      'a',
      'team/c',
      'new',
    ]);
  });

  test('replacing takes both (ED2)', async () => {
    const { path } = await assemble();
    const replacing = { add: [artifact('a', 'other')] };
    await expect(edit(path, replacing)).rejects.toMatchObject({
      message: expect.stringMatching(/remove it too/),
    });
    const { release } = await edit(path, { ...replacing, remove: ['a'] });
    const expected = createHash('sha256').update(seededBytes('other', 5000)).digest('hex');
    expect(release.artifacts.find(({ targetName }) => targetName === 'a')?.sha256).toBe(expected);
  });

  test('an artifact named like a property of objects is ordinary', async () => {
    const { path } = await assemble();
    const names = ['__proto__', 'constructor'];
    const once = await edit(path, { add: names.map(name => artifact(name)) });
    expect((await verify(once)).description.artifacts).toHaveLength(5);
    const twice = await edit(once.path, {
      remove: names,
      systemVersion: '1.2.0',
      outputPath: join(directory, 'three.zip'),
    });
    expect((await verify(twice)).description.artifacts).toHaveLength(3);
  });

  test('the root chain goes along whole, and a key that rotated away does not sign', async () => {
    const next = keysForAllRoles([generateSigningKey()]);
    const { trustRoot } = await assemble();
    const second = rotateRoot(
      { bytes: trustRoot, keys: [key] },
      { keys: next, expiresMs: LATE_MS, consistentSnapshot: false },
    );
    const { path } = await assemble({ keys: next, rootChain: [trustRoot, second] });
    await expect(edit(path, { add: [artifact('d')] })).rejects.toMatchObject({ code: 'SIGNING_KEY_INVALID' });
    const after = await edit(path, { add: [artifact('d')], keys: next.root.keys });
    expect((await verify({ path: after.path, trustRoot })).versions.root).toBe(2);
    expect((await verify({ path: after.path, trustRoot: second })).versions.root).toBe(2);
  });

  test('nothing is written for an impossible change (RP4)', async () => {
    const { path } = await assemble();
    for (const [change, code] of [
      [{ remove: ['absent'] }, 'RELEASE_DOCUMENT_INVALID'],
      [{ add: [artifact('d'), artifact('d')] }, 'RELEASE_DOCUMENT_INVALID'],
      [{ add: [artifact('../d')] }, 'METADATA_INVALID'],
      [{ systemVersion: 'one' }, 'RELEASE_DOCUMENT_INVALID'],
      [{ keys: [] }, 'SIGNING_KEY_INVALID'],
      [{ add: [{ ...artifact('d'), tags: artifact('a').tags }] }, 'RELEASE_DOCUMENT_INVALID'],
    ] as [Partial<EditOptions>, string][]) {
      await expect(edit(path, change)).rejects.toMatchObject({ code });
    }
    expect(await readdir(directory)).toEqual(['one.zip']);
  });

  test('damaged content is never signed anew, even where the archive has its checksum (O2)', async () => {
    const tampered = await makeTestRelease(directory, {
      keys,
      tamper: files => files.set('repo/targets/artifact-1.bin', Buffer.alloc(5000)),
    });
    await expect(edit(tampered.path, { add: [artifact('d')] })).rejects.toMatchObject({
      code: 'TARGET_HASH_MISMATCH',
    });
    expect(await readdir(directory)).not.toContain('two.zip');
    await writeFile(join(directory, 'no.zip'), 'not an archive, but long enough to look');
    await expect(edit(join(directory, 'no.zip'))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });
});

describe('signing anew', () => {
  const sign = async (path: string, roles: readonly string[], ring = [key, teamKey]) => {
    await using opened = await openRelease(path);
    return await republish(
      opened,
      { sign: new Set(roles) },
      { ...options, keys: ring, outputPath: join(directory, 'two.zip') },
    );
  };

  test('every named role, and each role that lists it, gets a later expiry and a higher version', async () => {
    const before = await assemble({ delegations: team });
    const { roles, description } = await verify(
      await sign(before.path, ['root', 'targets', 'team', 'rest/of it']),
    );
    expect(roles).toMatchObject({
      root: { version: 2, expiresMs: LATE_MS },
      timestamp: { version: SECONDS, expiresMs: LATE_MS },
      snapshot: { version: SECONDS, expiresMs: LATE_MS },
      targets: { version: SECONDS, expiresMs: LATE_MS },
    });
    expect(description).toEqual(before.release);
  });

  test('the online roles alone, with targets as they were (RP2)', async () => {
    const before = await assemble();
    const { roles } = await verify(await sign(before.path, ['timestamp']));
    expect(roles).toMatchObject({
      root: { version: 1, expiresMs: SOON_MS },
      timestamp: { version: SECONDS, expiresMs: LATE_MS },
      snapshot: { version: 1, expiresMs: SOON_MS },
      targets: { version: 1, expiresMs: SOON_MS },
    });
  });

  test('a version that is in the future already rises by one (RP3)', async () => {
    const ahead = 9_000_000_000;
    const before = await assemble({ versions: { timestamp: ahead, snapshot: 1, targets: 1 } });
    expect((await verify(await sign(before.path, ['timestamp']))).versions).toMatchObject({
      timestamp: ahead + 1,
    });
  });

  test('a threshold is met with as few keys as it needs, or signing is refused with the name of the role', async () => {
    const three = [generateSigningKey(), generateSigningKey('ecdsa-p256'), generateSigningKey('rsa-pss')];
    const before = await assemble({ keys: { ...keys, targets: { keys: three, threshold: 2 } } });
    await expect(sign(before.path, ['targets'], [key, three[0]!, three[0]!])).rejects.toMatchObject({
      code: 'SIGNING_KEY_INVALID',
      message: expect.stringMatching(
        /role targets needs signatures by 2 .* 1 of the \d+ given keys is among them/,
      ),
    });
    await verify(await sign(before.path, ['targets'], [key, ...three.slice(1)]));
    await expect(sign(before.path, ['absent'])).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('equal archive, clock and ed25519 keys give equal bytes', async () => {
    const before = await assemble();
    const [first, second] = [await sign(before.path, ['targets']), await sign(before.path, ['targets'])];
    expect(second.sha256).toBe(first.sha256);
  });
});
