/** Trust roots across uploads: they move forward, are kept whole, and remember what rollback is measured against. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseAuditContent } from '../../../core/facts/audit.ts';
import type { TrustRootId } from '../../../core/ids.ts';
import { writeRepositoryArchive } from '../../../signing/assemble.ts';
import { makeTestRelease, type TestReleaseOptions } from '../../../signing/release.fixture.ts';
import {
  createRoot,
  keysForAllRoles,
  type RepositoryKeys,
  rotateRoot,
} from '../../../signing/sign-metadata.ts';
import { generateSigningKey } from '../../../signing/signing-keys.ts';
import { chunksOf, createTestWorld, type TestNexus, type TestWorld } from '../../process/nexus.fixture.ts';

const YEAR_2100 = Date.UTC(2100, 0, 1);
const { signal } = new AbortController();
const wait = { signal };

let world: TestWorld;
let nexus: TestNexus;
let directory: string;
beforeEach(async () => {
  world = await createTestWorld();
  nexus = await world.startNexus();
  directory = await mkdtemp(join(tmpdir(), 'trust-roots-'));
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** Roots 1, 2, …, each with the keys of one generation. */
const chainOf = (...generations: readonly RepositoryKeys[]): Uint8Array[] => {
  const options = { expiresMs: YEAR_2100, consistentSnapshot: false };
  const roots: Uint8Array[] = [];
  generations.forEach((keys, index) => {
    const before = roots.at(-1);
    const previous = generations[index - 1]?.root.keys ?? [];
    roots.push(
      before === undefined
        ? createRoot({ keys, version: 1, ...options })
        : rotateRoot({ bytes: before, keys: previous }, { keys, ...options }),
    );
  });
  return roots;
};
const newKeys = () => keysForAllRoles([generateSigningKey()]);
const versions = (of: number) => ({ timestamp: of, snapshot: of, targets: of });
const release = (options: TestReleaseOptions) =>
  makeTestRelease(directory, { fileName: `${randomUUID()}.zip`, ...options });
const rootArchive = async (roots: ReadonlyMap<number, Uint8Array>) => {
  const path = join(directory, `${randomUUID()}.zip`);
  const metadata = new Map(Array.from(roots, ([version, bytes]) => [`${version}.root.json`, bytes]));
  await writeRepositoryArchive({ metadata, targets: new Map() }, path);
  return { path };
};
const trust = (root: Uint8Array) =>
  nexus.operator.trustRootCreate({ body: JSON.parse(Buffer.from(root).toString()) }, wait);
const uploadRoots = async ({ path }: { path: string }) => {
  const bytes = await readFile(path);
  const body = { sizeBytes: bytes.length, chunks: chunksOf(bytes) };
  return await nexus.operator.repositoryUpload({ query: { file_name: 'roots.zip' }, body }, wait);
};
const rootVersion = async (id: TrustRootId) =>
  (await nexus.operator.trustRootView({ params: { trust_root_id: id } }, wait)).root_version;

test('a release that brings newer roots moves the trust root, after which older keys sign nothing new', async () => {
  const [old, next] = [newKeys(), newKeys()];
  const [one, two] = chainOf(old, next) as [Uint8Array, Uint8Array];
  const { id } = await trust(one);
  const first = await release({ systemVersion: '1.0.0', keys: old, rootChain: [one] });
  await nexus.upload(first);
  await nexus.upload(
    await release({ systemVersion: '2.0.0', keys: next, rootChain: [one, two], versions: versions(2) }),
  );
  expect(await rootVersion(id)).toBe(2);

  // The whole chain is no longer needed by a repository that continues the newest root.
  const third = { systemVersion: '3.0.0', keys: next, versions: versions(3) };
  await nexus.upload(await release({ ...third, rootChain: [two] }));
  const stolen = { systemVersion: '4.0.0', keys: old, rootChain: [one], versions: versions(9) };
  await expect(nexus.upload(await release(stolen))).rejects.toMatchObject({ code: 'UNTRUSTED_SIGNATURES' });
  // P3: what was recorded under the old keys can still be brought back.
  expect(await nexus.upload(first)).toMatchObject({ status: 'already_exists' });
});

test('a deleted release whose keys a newer root revoked comes back only by an override, which is recorded (CA4)', async () => {
  const [old, next] = [newKeys(), newKeys()];
  const [one, two] = chainOf(old, next) as [Uint8Array, Uint8Array];
  await trust(one);
  const first = await release({ systemVersion: '1.0.0', keys: old, rootChain: [one] });
  const remove = async () => {
    await nexus.operator.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  };
  await nexus.upload(first);
  await remove();
  const present = async () =>
    (await nexus.operator.repositoryList({ query: {} }, wait)).items.map(
      ({ system_version: version }) => version,
    );
  expect(await present()).toEqual([]);
  await nexus.upload(first);
  expect(await present(), 'its keys are still trusted').toEqual(['1.0.0']);

  await uploadRoots(await rootArchive(new Map([[2, two]])));
  expect(await nexus.upload(first), 'it is present').toMatchObject({ status: 'already_exists' });
  await remove();
  await expect(nexus.upload(first)).rejects.toMatchObject({
    code: 'UNTRUSTED_SIGNATURES',
    message: expect.stringContaining('release 1.0.0 is deleted'),
  });
  expect(await present()).toEqual([]);
  const back = await nexus.upload(first, { allow_revoked_keys: 'true' });
  expect(await present()).toEqual(['1.0.0']);
  expect(back).toMatchObject({
    overrides: [expect.stringContaining('a newer root has revoked the keys that signed it')],
  });
});

test('an archive of roots alone moves the trust root and leaves nothing in staging; again it changes nothing', async () => {
  const keys = [newKeys(), newKeys(), newKeys()];
  const [one, two, three] = chainOf(...keys) as [Uint8Array, Uint8Array, Uint8Array];
  const { id } = await trust(one);
  const roots = await rootArchive(
    new Map([
      [1, one],
      [2, two],
      [3, three],
    ]),
  );
  expect(await uploadRoots(roots)).toMatchObject({
    status: 'inserted',
    // All that clients of the published shape read.
    repo: {
      hash: createHash('sha256')
        .update(await readFile(roots.path))
        .digest('hex'),
      system_version: '0.0.0-roots.3',
      file_name: 'roots.zip',
      time_created: expect.stringMatching(/^20/),
    },
    roots: { status: 'root_advanced', trust_roots: [{ id, root_version: 3 }] },
  });
  expect(await rootVersion(id)).toBe(3);
  expect(await uploadRoots(roots)).toMatchObject({
    status: 'already_exists',
    roots: { status: 'root_known' },
  });
  expect(await nexus.staged()).toEqual([]);
  const entries = await world.database.query<{ content: string }>(
    "SELECT content FROM audit_entry WHERE content LIKE '%trust_root_advanced%'",
  );
  expect(entries.map(({ content }) => parseAuditContent(content)?.action)).toMatchObject([
    { kind: 'trust_root_advanced', trustRootId: id, rootVersions: [2, 3] },
  ]);
  await nexus.upload(await release({ keys: keys[2]!, rootChain: [three] }));
});

test('a gap in the chain is reported by number, in a release as in an archive of roots', async () => {
  const keys = [newKeys(), newKeys(), newKeys(), newKeys()];
  const [one, two, , four] = chainOf(...keys) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const { id } = await trust(one);
  await expect(
    uploadRoots(
      await rootArchive(
        new Map([
          [2, two],
          [4, four],
        ]),
      ),
    ),
  ).rejects.toMatchObject({
    code: 'ROOT_CHAIN_BROKEN',
    message: expect.stringMatching(/between 2 and 4: 3\.root\.json is missing/),
    report: expect.arrayContaining([
      expect.objectContaining({ clause: '5.3.4', outcome: 'passed', version: 2 }),
    ]),
  });
  await expect(nexus.upload(await release({ keys: keys[3]!, rootChain: [one, four] }))).rejects.toMatchObject(
    { code: 'ROOT_CHAIN_BROKEN', message: expect.stringContaining('between 1 and 4') },
  );
  expect(await rootVersion(id)).toBe(1);
});

test('after a stolen key signed an enormous version, rotating it out lets the repository continue (5.3.11)', async () => {
  const [old, next] = [newKeys(), newKeys()];
  const [one, two] = chainOf(old, next) as [Uint8Array, Uint8Array];
  await trust(one);
  const enormous = { systemVersion: '1.0.0', keys: old, rootChain: [one], versions: versions(1_000_000) };
  await nexus.upload(await release(enormous));
  const stuck = { systemVersion: '1.1.0', keys: old, rootChain: [one], versions: versions(2) };
  await expect(nexus.upload(await release(stuck))).rejects.toMatchObject({ code: 'METADATA_ROLLBACK' });

  const recovered = { systemVersion: '2.0.0', keys: next, rootChain: [one, two], versions: versions(3) };
  await nexus.upload(await release(recovered));
  await nexus.upload(
    await release({ systemVersion: '3.0.0', keys: next, rootChain: [two], versions: versions(4) }),
  );
  const older = { systemVersion: '4.0.0', keys: next, rootChain: [two], versions: versions(3) };
  await expect(nexus.upload(await release(older))).rejects.toMatchObject({ code: 'METADATA_ROLLBACK' });
});

test('roots alone are enough to recover (5.3.11)', async () => {
  const [old, next] = [newKeys(), newKeys()];
  const [one, two] = chainOf(old, next) as [Uint8Array, Uint8Array];
  await trust(one);
  const enormous = { systemVersion: '1.0.0', keys: old, rootChain: [one], versions: versions(1_000_000) };
  await nexus.upload(await release(enormous));
  await uploadRoots(await rootArchive(new Map([[2, two]])));
  await nexus.upload(
    await release({ systemVersion: '2.0.0', keys: next, rootChain: [two], versions: versions(2) }),
  );
});

test('a refused upload carries the report: what passed, what failed, and by which clause', async () => {
  const keys = newKeys();
  const [one] = chainOf(keys) as [Uint8Array];
  await trust(one);
  const expired = await release({ keys, rootChain: [one], expired: ['targets'] });
  const error = await nexus.upload(expired).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'METADATA_EXPIRED' });
  const { report } = error as { report: { clause: string; outcome: string }[] };
  expect(report.map(({ clause, outcome }) => `${clause} ${outcome}`)).toEqual([
    '5.2 passed',
    '5.3.5 passed',
    '5.3.10 passed',
    '5.4.2 passed',
    '5.4.3 passed',
    '5.4.4 passed',
    '5.5.2, 5.5.4 passed',
    '5.5.3 passed',
    '5.5.5 passed',
    '5.5.6 passed',
    '5.6.2, 5.6.4 passed',
    '5.6.3 passed',
    '5.6.5 failed',
  ]);
  expect(report.at(-1)).toMatchObject({ role: 'targets', version: 1, expires: '2001-01-01T00:00:00.000Z' });

  const { checks } = await nexus.upload(expired, { allow_expired: 'true' });
  expect(checks?.filter(({ outcome }) => outcome === 'overridden')).toMatchObject([{ clause: '5.6.5' }]);
});
