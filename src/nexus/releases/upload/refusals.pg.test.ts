/** What is wrong with an archive, or with the fleet, is refused by name, and leaves nothing behind (S3). */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sledAgentInfo } from '../../../api/sled-agent-info.fixture.ts';
import { asGeneration, SledId } from '../../../core/ids.ts';
import { flipBit, type TestRelease, type TestReleaseOptions } from '../../../signing/release.fixture.ts';
import { keysForAllRoles } from '../../../signing/sign-metadata.ts';
import { generateSigningKey } from '../../../signing/signing-keys.ts';
import { newId } from '../../datastore/conformance/records.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';
import { METADATA_ALLOWANCE_BYTES } from './fleet-capacity.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
let nexus: TestNexus;
beforeEach(async () => {
  world = await createTestWorld();
  nexus = await world.startNexus();
});
afterEach(() => world[Symbol.asyncDispose]());

/** A release whose trust root the fleet has. */
const trusted = async (options: TestReleaseOptions = {}): Promise<TestRelease> => {
  const release = await world.release(options);
  await nexus.trust(release);
  return release;
};

const expectRefused = async (
  release: { path: string },
  expected: { code: string; message: RegExp },
  on: TestNexus = nexus,
): Promise<void> => {
  const before = { recorded: await world.recorded(), staged: await on.staged() };
  await expect(on.upload(release)).rejects.toMatchObject({
    code: expected.code,
    message: expect.stringMatching(expected.message),
  });
  expect({ recorded: await world.recorded(), staged: await on.staged() }).toEqual(before);
};

const written = async (bytes: Uint8Array): Promise<{ path: string }> => {
  const path = join(world.directory, 'hand-made.zip');
  await writeFile(path, bytes);
  return { path };
};

/** Announces the whole release, and sends one byte of it. */
const announceOnly = async ({ sizeBytes }: TestRelease, on: TestNexus): Promise<unknown> => {
  const never = Promise.withResolvers<void>();
  const body = {
    sizeBytes,
    chunks: (async function* () {
      yield new Uint8Array(1);
      await never.promise;
    })(),
  };
  const answer = on.operator.repositoryUpload({ query: { file_name: 'a.zip' }, body }, wait);
  return answer.finally(never.resolve);
};

/** Sends all of it without saying how much that is. */
const uploadUnannounced = async (release: TestRelease, on: TestNexus): Promise<unknown> => {
  const bytes = await readFile(release.path);
  const body = {
    sizeBytes: undefined,
    chunks: (async function* () {
      yield bytes;
    })(),
  };
  return on.operator.repositoryUpload({ query: { file_name: 'a.zip' }, body }, wait);
};

test('a file that is not a ZIP archive', async () => {
  await trusted();
  await expectRefused(await written(Buffer.from('%PDF-1.7 and so on'.repeat(99))), {
    code: 'ARCHIVE_INVALID',
    message: /ZIP/,
  });
  await expectRefused(await written(new Uint8Array(0)), { code: 'ARCHIVE_INVALID', message: /ZIP|empty/ });
});

test('an archive cut short', async () => {
  const { path } = await trusted();
  const whole = await readFile(path);
  await expectRefused(await written(whole.subarray(0, -1000)), {
    code: 'ARCHIVE_INVALID',
    message: /ZIP|end/,
  });
});

test('a flipped bit in an artifact in the archive (B2)', async () => {
  const release = await trusted({ artifacts: [5000] });
  const bytes = await readFile(release.path);
  const start = bytes.indexOf(Buffer.from(release.artifacts[0]!.bytes.subarray(0, 32)));
  expect(start).toBeGreaterThan(0);
  bytes[start + 2500]! ^= 1;
  await expectRefused(await written(bytes), { code: 'ARCHIVE_DAMAGED', message: /artifact-0\.bin/ });
});

test('an artifact with other bytes than were signed, in a sound archive (B2)', async () => {
  const tamper = (files: Map<string, Uint8Array>) => flipBit(files, 'repo/targets/artifact-1.bin', 7777);
  await expectRefused(await trusted({ tamper }), {
    code: 'TARGET_HASH_MISMATCH',
    message: /artifact-1\.bin/,
  });
});

test('a flipped bit in each metadata file', async () => {
  for (const role of ['timestamp', 'snapshot', 'targets']) {
    // In the middle of the file, where the signed part is.
    const tamper = (files: Map<string, Uint8Array>) => {
      const name = `repo/metadata/${role}.json`;
      flipBit(files, name, (files.get(name)!.length - 20) * 8);
    };
    await expectRefused(await trusted({ tamper }), {
      code: expect.stringMatching(/^(METADATA_INVALID|METADATA_MISMATCH|UNTRUSTED_SIGNATURES)$/) as never,
      message: new RegExp(role),
    });
  }
});

test('a fleet without a trust root', async () => {
  await expectRefused(await world.release(), { code: 'NO_TRUST_ROOT', message: /trust root/ });
});

test('a release of an unknown signer', async () => {
  await trusted();
  const stranger = await world.release({ keys: keysForAllRoles([generateSigningKey()]) });
  await expectRefused(stranger, { code: 'UNTRUSTED_SIGNATURES', message: /trust root|vouch/ });
});

test('a role signed by too few of its keys', async () => {
  const keys = [generateSigningKey(), generateSigningKey()];
  const release = await trusted({ keys: keysForAllRoles(keys, 2), signers: { targets: [keys[0]!] } });
  await expectRefused(release, { code: 'UNTRUSTED_SIGNATURES', message: /targets.*1.*2/ });
});

test('an expired role', async () => {
  for (const role of ['timestamp', 'snapshot', 'targets'] as const)
    await expectRefused(await trusted({ expired: [role] }), {
      code: 'METADATA_EXPIRED',
      message: new RegExp(`${role}.*2001`),
    });
});

test('a target that is signed and absent', async () => {
  const tamper = (files: Map<string, Uint8Array>) => files.delete('repo/targets/artifact-2.bin');
  await expectRefused(await trusted({ tamper: files => void tamper(files) }), {
    code: 'TARGET_MISSING',
    message: /artifact-2\.bin/,
  });
});

test('a version that is not semantic', async () => {
  await expectRefused(await trusted({ systemVersion: '1.0' }), {
    code: 'RELEASE_DOCUMENT_INVALID',
    message: /system_version.*semantic/,
  });
});

test('a recorded version with other content', async () => {
  await nexus.upload(await trusted());
  const other = await world.release({
    contentSeed: 'other',
    versions: { timestamp: 2, snapshot: 2, targets: 2 },
  });
  await expectRefused(other, { code: 'RELEASE_CONFLICT', message: /1\.0\.0/ });
});

test('a recorded hash with another version, or with another length', async () => {
  const shared = { seed: 'shared', sizeBytes: 3000 };
  const first = await trusted({ artifacts: [shared] });
  await nexus.upload(first);
  const newer = { systemVersion: '2.0.0', versions: { timestamp: 2, snapshot: 2, targets: 2 } };
  const renamed = await world.release({ ...newer, artifacts: [{ ...shared, version: '9.9.9' }] });
  const { sha256 } = first.artifacts[0]!;
  await expectRefused(renamed, {
    code: 'ARTIFACT_CONFLICT',
    message: new RegExp(`${sha256}.*9\\.9\\.9`),
  });

  await world.database.query('UPDATE tuf_artifact_file SET size_bytes = 2999 WHERE sha256 = $1', [sha256]);
  const same = await world.release({ ...newer, artifacts: [shared] });
  await expectRefused(same, { code: 'ARTIFACT_CONFLICT', message: new RegExp(`${sha256}.*2999`) });
});

test('metadata older than the accepted versions (B3)', async () => {
  await nexus.upload(await trusted({ versions: { timestamp: 5, snapshot: 5, targets: 5 } }));
  const older = await world.release({
    systemVersion: '2.0.0',
    versions: { timestamp: 4, snapshot: 4, targets: 4 },
  });
  await expectRefused(older, { code: 'METADATA_ROLLBACK', message: /4.*5|5.*4/ });
});

test('an archive for which the staging directory has no space, refused before its bytes (S16)', async () => {
  const release = await trusted();
  const crowded = await world.startNexus({ name: 'crowded', replace: { freeBytes: async () => 70_000_000 } });
  await crowded.upload(release);
  const full = await world.startNexus({ name: 'full', replace: { freeBytes: async () => 60_000_000 } });
  const before = await world.recorded();
  await expect(announceOnly(release, full)).rejects.toMatchObject({
    code: 'NO_SPACE',
    message: expect.stringMatching(new RegExp(`${release.sizeBytes} bytes.*60000000 free`)),
    detail: expect.objectContaining({ needed_bytes: release.sizeBytes, free_bytes: 60_000_000 }),
  });
  expect(await world.recorded()).toEqual(before);
  expect(await full.staged()).toEqual([]);
});

test('an archive above the configured limit, announced or not (S16, S17)', async () => {
  const release = await trusted();
  const small = await world.startNexus({ name: 'small', config: { limits: { repository_bytes: 9000 } } });
  await expectRefused(release, { code: 'BODY_TOO_LARGE', message: /9000/ }, small);

  const before = await world.recorded();
  for (const attempt of [announceOnly, uploadUnannounced]) {
    await expect(attempt(release, small)).rejects.toMatchObject({
      code: 'BODY_TOO_LARGE',
      message: expect.stringMatching(/9000/),
    });
  }
  expect(await world.recorded()).toEqual(before);
  expect(await small.staged()).toEqual([]);
});

test('an artifact above the configured limit (S17)', async () => {
  const release = await trusted();
  const small = await world.startNexus({ name: 'small', config: { limits: { artifact_bytes: 19_999 } } });
  await expectRefused(release, { code: 'ARCHIVE_LIMIT', message: /artifact-2\.bin.*20000.*19999/ }, small);
});

test('a release for which too few sleds have space, before its bytes if its length is announced (S16)', async () => {
  const release = await trusted();
  for (const free_bytes of [10_000_000, 10_000_000, 1000]) {
    const datasets = [{ id: null, path: '/m2', state: 'ok' as const, free_bytes }];
    const body = sledAgentInfo({ datasets, generation: asGeneration(1) });
    await nexus.internal.sledAgentPut({ params: { sled_id: newId(SledId) }, body }, wait);
  }
  const before = await world.recorded();
  const announced = { ...release, sizeBytes: METADATA_ALLOWANCE_BYTES + release.sizeBytes };
  for (const attempt of [() => announceOnly(announced, nexus), () => uploadUnannounced(release, nexus)]) {
    await expect(attempt()).rejects.toMatchObject({
      code: 'FLEET_SPACE',
      message: expect.stringMatching(/2 of 3 sleds have space, 3 are required/),
    });
  }
  expect(await world.recorded()).toEqual(before);
  expect(await nexus.staged()).toEqual([]);
});
