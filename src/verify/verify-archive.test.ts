import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openArchive } from '../archive/archive.ts';
import { memoryFile } from '../archive/hand-made-zip.fixture.ts';
import type { RandomAccessFile } from '../archive/random-access.ts';
import { parseBundle } from '../bundle/bundle.ts';
import { errorCodeOf, messageChain } from '../lib/errors.ts';
import {
  flipBit,
  makeTestRelease,
  seededBytes,
  type TestRelease,
  type TestReleaseOptions,
} from '../signing/release.fixture.ts';
import { generateSigningKey } from '../signing/signing-keys.ts';
import type { VerifyProgress, VerifyRequest } from './verified-release.ts';
import { verifyArchive } from './verify-archive.ts';

const NOW_MS = Date.UTC(2026, 0, 1);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-verify-'));
});
afterAll(() => rm(directory, { recursive: true }));

let made = 0;
const make = (options: TestReleaseOptions = {}): Promise<TestRelease> => {
  made += 1;
  return makeTestRelease(directory, { fileName: `${made}.zip`, ...options });
};

const signal = new AbortController().signal;
const verifyBytes = (bytes: Uint8Array, { trustRoot }: TestRelease, request: Partial<VerifyRequest> = {}) =>
  verifyArchive(
    memoryFile(bytes),
    { trustRoots: [{ id: 'its own', bytes: trustRoot }], nowMs: NOW_MS, ...request },
    { signal },
  );
const verify = async (release: TestRelease, request: Partial<VerifyRequest> = {}) =>
  verifyBytes(await readFile(release.path), release, request);

const failureOf = async (verifying: Promise<unknown>) => {
  const error = await verifying.then(
    () => expect.fail('it verified'),
    (reason: unknown) => reason,
  );
  return { code: errorCodeOf(error), message: messageChain(error), error };
};

type SignedTarget = { length: number; hashes: Record<string, string> };
const targetsOf = (signed: unknown) => (signed as { targets: Record<string, SignedTarget> }).targets;

describe('a good release', () => {
  test.each(['v2', 'v1', 'plain'] as const)('verifies in format %s, and is described', async format => {
    const release = await make({ format });
    const { description, entries, ...rest } = await verify(release);
    expect(description).toMatchObject({
      format,
      systemVersion: format === 'plain' ? expect.any(String) : '1.0.0',
    });
    expect(description.artifacts.map(({ sha256 }) => sha256)).toEqual(
      release.artifacts.map(({ sha256 }) => sha256),
    );
    const archive = await openArchive(memoryFile(await readFile(release.path)));
    for (const { sha256, sizeBytes, bytes } of release.artifacts) {
      const source = entries.get(sha256)!;
      expect(source.sizeBytes).toBe(sizeBytes);
      expect(await archive.readWhole(archive.entries.get(source.entryName)!, 1e6)).toEqual(
        Uint8Array.from(bytes),
      );
    }
    const targetsFile = [...release.files].find(([name]) => name.endsWith('targets.json'))![1];
    expect(rest).toMatchObject({
      targetsSha256: createHash('sha256').update(targetsFile).digest('hex'),
      trustRootId: 'its own',
      versions: { root: 1, timestamp: 1, snapshot: 1, targets: 1 },
      overrides: [],
      unsignedFiles: [],
    });
    expect(rest.roles.timestamp).toEqual({ version: 1, expiresMs: Date.UTC(2100, 0, 1) });
    const order = ['archive', 'root', 'timestamp', 'snapshot', 'targets', 'sizes', 'document', 'content'];
    expect(rest.report.map(({ check }) => check)).toEqual(order);
  });

  test('keeps hash-named targets of a folder where the specification or where tough puts them', async () => {
    const options: TestReleaseOptions = {
      consistentSnapshot: true,
      artifacts: [{ targetName: 'images/disk/host.img' }],
    };
    const bySpecification = await make(options);
    const { sha256 } = bySpecification.artifacts[0]!;
    const specified = `repo/targets/images/disk/${sha256}.host.img`;
    const byTough = `repo/targets/${sha256}.images/disk/host.img`;
    expect((await verify(bySpecification)).entries.get(sha256)?.entryName).toBe(specified);

    const moved = await make({
      ...options,
      tamper(files) {
        files.set(byTough, files.get(specified)!);
        files.delete(specified);
      },
    });
    expect((await verify(moved)).entries.get(sha256)?.entryName).toBe(byTough);
  });

  /** Of the first of two artifacts; the file has the first of its hashes in its name, as other writers do it. */
  const hashedBy = (hashesOf: (sha512: string, sha256: string) => Record<string, string>) => {
    let names: readonly [string, string] = ['', ''];
    return make({
      format: 'plain',
      consistentSnapshot: true,
      artifacts: [{ seed: 'a', sizeBytes: 100 }, 200],
      edit: {
        targets(signed) {
          const target = targetsOf(signed)['artifact-0.bin']!;
          const { sha256 = '' } = target.hashes;
          const sha512 = createHash('sha512').update(seededBytes('a', 100)).digest('hex');
          target.hashes = hashesOf(sha512, sha256);
          names = [`${sha256}.artifact-0.bin`, `${Object.values(target.hashes)[0]}.artifact-0.bin`];
        },
      },
      tamper(files) {
        const [from, to] = names;
        const bytes = files.get(`repo/targets/${from}`)!;
        files.delete(`repo/targets/${from}`);
        files.set(`repo/targets/${to}`, bytes);
      },
    });
  };

  test('with a SHA-512 alone has the SHA-256 of the bytes as address, and the bundle names it for sleds (DO1)', async () => {
    const { description, bundle } = await verify(await hashedBy(sha512 => ({ sha512 })));
    const sha256 = createHash('sha256').update(seededBytes('a', 100)).digest('hex');
    expect(description.artifacts).toMatchObject([{ sha256 }, { targetName: 'artifact-1.bin' }]);
    expect(bundle?.kind).toBe('signed');
    const sha512 = createHash('sha512').update(seededBytes('a', 100)).digest('hex');
    expect([...(parseBundle(bundle!.bytes).addresses ?? [])]).toEqual([[sha256, sha512]]);
  });

  test('with a SHA-512 alone that is wrong is refused', async () => {
    const release = await hashedBy(() => ({ sha512: '0'.repeat(128) }));
    expect(await failureOf(verify(release))).toMatchObject({ code: 'TARGET_HASH_MISMATCH' });
  });

  test('is found under a hash that is unknown here, beside one that is known', async () => {
    const { description } = await verify(
      await hashedBy((_, sha256) => ({ 'blake2b-256': 'ab'.repeat(32), sha256 })),
    );
    expect(description.artifacts).toHaveLength(2);
  });

  test('names a target that nothing proves, and has the others (DO4)', async () => {
    const { description, report, checks } = await verify(await hashedBy(() => ({ blake3: 'ab' })));
    expect(description.artifacts.map(({ targetName }) => targetName)).toEqual(['artifact-1.bin']);
    const text = expect.stringContaining('artifact-0.bin has only hashes of unknown kinds (blake3)');
    expect(report).toContainEqual({ check: 'left_out', text });
    expect(checks).toContainEqual(expect.objectContaining({ outcome: 'noted', text }));
  });

  test('reports, and ignores, files that nobody signed', async () => {
    const release = await make({ tamper: files => files.set('repo/targets/stowaway', Buffer.from('x')) });
    const { unsignedFiles, report } = await verify(release);
    expect(unsignedFiles).toEqual(['repo/targets/stowaway']);
    expect(report.at(-1)).toEqual({
      check: 'unsigned',
      text: 'ignored, since they are not signed: repo/targets/stowaway',
    });
  });

  test('is refused if an entry that nobody signed is damaged: the archive is not whole (VA4)', async () => {
    const stowaway = Buffer.from('a stowaway that is long enough to be found');
    const release = await make({ tamper: files => files.set('repo/targets/stowaway', stowaway) });
    const bytes = await readFile(release.path);
    const at = bytes.indexOf(stowaway);
    expect(at).toBeGreaterThan(0);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const { code, message } = await failureOf(verifyBytes(bytes, release));
    expect(code).toBe('ARCHIVE_DAMAGED');
    expect(message).toMatch(/"repo\/targets\/stowaway": its CRC-32 is/);
  });

  test('reports its progress and its end', async () => {
    const release = await make({ artifacts: [3_000_000, 1] });
    const told: VerifyProgress[] = [];
    const request = { trustRoots: [{ id: 'a', bytes: release.trustRoot }], nowMs: NOW_MS };
    const file = memoryFile(await readFile(release.path));
    await verifyArchive(file, request, { signal, onProgress: progress => told.push(progress) });
    const done = told.map(({ doneBytes }) => doneBytes);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(done.length).toBeGreaterThan(2);
    expect(told.at(-1)!.doneBytes).toBe(told.at(-1)!.totalBytes);
    expect(told.at(-1)!.totalBytes).toBeGreaterThan(3_000_001);
  });
});

describe('a release with wrong bytes is refused, and the error names the target (B2)', () => {
  test('bytes that were changed before the archive was built', async () => {
    const release = await make({ tamper: files => flipBit(files, 'repo/targets/artifact-1.bin', 39_999) });
    const actual = createHash('sha256')
      .update(release.files.get('repo/targets/artifact-1.bin')!)
      .digest('hex');
    const expected = release.artifacts[1]!.sha256;
    const { error } = await failureOf(verify(release));
    expect(error).toMatchObject({
      code: 'TARGET_HASH_MISMATCH',
      message: `the target artifact-1.bin has the sha256 ${actual} in the archive, but ${expected} was signed`,
      detail: { target: 'artifact-1.bin', expected, actual },
    });
  });

  test('any flipped bit of an artifact in the archive', async () => {
    const release = await make();
    const zip = await readFile(release.path);
    const archive = await openArchive(memoryFile(zip));
    for (const { targetName, sizeBytes } of release.artifacts) {
      const { dataOffset } = archive.entries.get(`repo/targets/${targetName}`)!;
      for (const position of [0, sizeBytes >> 1, sizeBytes - 1]) {
        const damaged = Buffer.from(zip);
        damaged[dataOffset + position]! ^= 1;
        const { code, message } = await failureOf(verifyBytes(damaged, release));
        expect(code).toBe('ARCHIVE_DAMAGED');
        expect(message).toMatch(
          new RegExp(`^the target ${targetName} is damaged: .*CRC-32 is \\w{8} instead of \\w{8}$`),
        );
      }
    }
  });

  test('an absent target', async () => {
    const release = await make({ tamper: files => files.delete('repo/targets/artifact-2.bin') });
    const { error } = await failureOf(verify(release));
    expect(error).toMatchObject({ code: 'TARGET_MISSING', detail: { target: 'artifact-2.bin' } });
    expect((error as Error).message).toContain('repo/targets/artifact-2.bin');
  });

  test.each(['sha256', 'sha512'])('a target outside of the document, by its %s', async algorithm => {
    const extra = Buffer.from('notes');
    const hashes = { [algorithm]: createHash(algorithm).update(extra).digest('hex') };
    const options = (bytes: Uint8Array): TestReleaseOptions => ({
      edit: { targets: signed => Object.assign(targetsOf(signed), { 'notes.txt': { length: 5, hashes } }) },
      tamper: files => files.set('repo/targets/notes.txt', bytes),
    });
    const good = await verify(await make(options(extra)));
    expect(good.description.artifacts).toHaveLength(3);
    expect(good.entries.size).toBe(3);
    expect(good.unsignedFiles).toEqual([]);
    const { error } = await failureOf(verify(await make(options(Buffer.from('Notes')))));
    expect(error).toMatchObject({ code: 'TARGET_HASH_MISMATCH', detail: { target: 'notes.txt' } });
  });

  test('the signed hash with another signed length, before the bulk is read', async () => {
    const release = await make({
      artifacts: [2_000_000, 1000],
      edit: {
        targets(signed) {
          targetsOf(signed)['artifact-1.bin']!.length = 999;
        },
      },
    });
    let readBytes = 0;
    const memory = memoryFile(await readFile(release.path));
    const counting: RandomAccessFile = {
      ...memory,
      read(target, position) {
        readBytes += target.length;
        return memory.read(target, position);
      },
    };
    const request = { trustRoots: [{ id: 'a', bytes: release.trustRoot }], nowMs: NOW_MS };
    const { error } = await failureOf(verifyArchive(counting, request, { signal }));
    expect(error).toMatchObject({
      code: 'TARGET_LENGTH_MISMATCH',
      detail: { target: 'artifact-1.bin', expected: 999, actual: 1000 },
    });
    expect(readBytes).toBeLessThan(100_000);
  });

  test('a release over the size limit, with the numbers', async () => {
    const { error } = await failureOf(verify(await make(), { limits: { maxEntryBytes: 19_999 } }));
    expect(error).toMatchObject({ code: 'ARCHIVE_LIMIT', detail: { actual: 20_000, limit: 19_999 } });
  });
});

describe('trust (B3)', () => {
  test('a release of another signer is refused', async () => {
    const stranger = await make();
    const trustRoots = [{ id: 'ours', bytes: (await make()).trustRoot }];
    expect(await failureOf(verify(stranger, { trustRoots }))).toMatchObject({ code: 'UNTRUSTED_SIGNATURES' });
    expect(await failureOf(verify(stranger, { trustRoots: [] }))).toMatchObject({ code: 'NO_TRUST_ROOT' });
  });

  test('the trust root that vouches for it is named', async () => {
    const release = await make();
    const trustRoots = [
      { id: 'another', bytes: (await make()).trustRoot },
      { id: 'the one', bytes: release.trustRoot },
    ];
    expect((await verify(release, { trustRoots })).trustRootId).toBe('the one');
  });

  test('targets signed by an unknown key are refused', async () => {
    const release = await make({ signers: { targets: [generateSigningKey()] } });
    expect(await failureOf(verify(release))).toMatchObject({ code: 'UNTRUSTED_SIGNATURES' });
  });

  test('expiry is enforced, and an override is recorded', async () => {
    const release = await make({ expired: ['timestamp'] });
    expect(await failureOf(verify(release))).toMatchObject({ code: 'METADATA_EXPIRED' });
    const { overrides, report } = await verify(release, { allowExpired: true });
    expect(overrides).toMatchObject([{ kind: 'expired', role: 'timestamp' }]);
    const passed = report.filter(({ check }) => check === 'override');
    expect(passed.map(({ text }) => text)).toEqual([
      expect.stringMatching(/timestamp expired at 2001-01-01/),
    ]);
  });

  test('a rollback is refused, and an override is recorded without lowering the stored versions', async () => {
    const release = await make();
    const remembered = { root: 1, timestamp: 5, snapshot: 1, targets: 1 };
    const trustedVersions = new Map([['its own', remembered]]);
    expect(await failureOf(verify(release, { trustedVersions }))).toMatchObject({
      code: 'METADATA_ROLLBACK',
    });
    const { overrides, versions } = await verify(release, { trustedVersions, allowRollback: true });
    expect(overrides).toMatchObject([{ kind: 'rollback', role: 'timestamp', trustedVersion: 5, version: 1 }]);
    expect(versions).toEqual(remembered);
  });

  test('an archive without a repository is refused as such', async () => {
    const release = await make({ tamper: files => files.clear() });
    const { code, message } = await failureOf(verify(release));
    expect(code).toBe('METADATA_MISSING');
    expect(message).toContain('repo/metadata/');
  });

  test('a file that is no archive is refused as such', async () => {
    const release = await make();
    await writeFile(release.path, 'not an archive, though as long as one might be');
    expect(await failureOf(verify(release))).toMatchObject({ code: 'ARCHIVE_INVALID' });
  });
});
