/** RSA signatures of PKCS#1 v1.5 on a sled: what counts is what its own configuration accepts, and the rest says why. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateAdminKey } from '../../identity/admin-key.ts';
import type { OfferedPins } from '../../join/join-fleet.ts';
import type { DepotError } from '../../lib/errors.ts';
import { generatePkcs1v15Key } from '../../signing/pkcs1v15-key.fixture.ts';
import { generateSigningKey } from '../../signing/signing-keys.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import { ALL_SIGNATURES, SPECIFIED_SIGNATURES } from '../../tuf/signature-policy.ts';
import { configOf, heldPoint, neverAborted, tellFloor } from '../store/artifact.fixture.ts';
import { createMachine } from '../store/memory-store.fixture.ts';
import { pinAtJoin } from './pin-at-join.ts';
import {
  createSigner,
  offered,
  type SignedRelease,
  storeTrust,
  type TestTrust,
  testStatements,
  testTrust,
} from './trust.fixture.ts';
import { NO_PINS, readPins, writePins } from './trust-file.ts';

const legacyKey = generatePkcs1v15Key();
const legacy = createSigner(() => legacyKey);
/** Its first root has a key of PKCS#1 v1.5, the next one a key of the specification. */
const leaving = createSigner(version => (version === 1 ? generatePkcs1v15Key() : generateSigningKey()));
const modern = createSigner();
const release = legacy.release(['one', 'two']);
const [accepting, strict] = [{ signatures: ALL_SIGNATURES }, { signatures: SPECIFIED_SIGNATURES }];

/** What a sled with this trust reports of the release, after its Nexus has told it. */
const reported = async (trust: TestTrust, { bundle, bytes, ...told }: SignedRelease = release) => {
  const store = await createMachine().start({ trust: storeTrust(trust) });
  await tellFloor(store, 1);
  const config = { ...configOf(1, told.artifacts), succeeds: heldPoint(store) ?? ('unknown' as const) };
  await store.offerConfig(
    { ...config, releases: [offered({ bundle, bytes, ...told })] },
    { signal: neverAborted },
  );
  await store.putBundle(bundle, bytes);
  return { store, report: async () => (await store.list()).releases.bundles?.[0] };
};

const pinned = async (options: Parameters<typeof testTrust>[0], signer = legacy): Promise<TestTrust> => {
  const trust = testTrust(options);
  await trust.addChains([signer.roots(1)], 'file');
  return trust;
};

const byModern = () => pinned(strict, modern);
const refusalOf = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing refused it',
    (error: unknown) => error,
  );

test('a sled that accepts the scheme admits what its signer signed, and one that does not pins no such root (TRS8)', async () => {
  const { report } = await reported(await pinned(accepting));
  expect(await report()).toMatchObject({ state: 'admitted' });
  const refused = await refusalOf(pinned(strict));
  expect(refused).toMatchObject({ code: 'UNTRUSTED_SIGNATURES' });
  expect((refused as DepotError).detail.remedy).toContain('accept_rsa_pkcs1v15 = true in [trust]');
});

test('roots that a Nexus tells vouch for nothing on a sled that does not accept their signatures, and the release says why (TRS8, JR1)', async () => {
  const trust = await byModern();
  const { store, report } = await reported(trust);
  expect(await report()).not.toHaveProperty('cause');
  expect(await refusalOf(trust.addChains([legacy.roots(1)]))).toMatchObject({ code: 'UNTRUSTED_SIGNATURES' });
  expect(trust.chains()).toHaveLength(1);
  await expect.poll(report).toMatchObject({
    state: 'refused',
    cause: 'signature_scheme',
    reason: expect.stringContaining('accept_rsa_pkcs1v15 = true in [trust] of its sled-agent.toml'),
  });
  expect((await store.list()).releases.withheld?.size).toBe(2);

  // The same telling to the same pins, after a restart with the setting.
  const restarted = testTrust({ ...accepting, known: trust.saved() });
  await restarted.addChains([legacy.roots(1)]);
  const again = await reported(restarted);
  expect(await again.report()).toMatchObject({ state: 'admitted' });
});

test('a rotation that only such signatures prove is not followed, and says why (PC4, TRS8)', async () => {
  const returning = createSigner(version => (version === 1 ? generateSigningKey() : legacyKey));
  const trust = await pinned(strict, returning);
  const refused = await refusalOf(trust.addChains([returning.roots(2)]));
  expect(refused).toMatchObject({
    code: 'ROOT_CHAIN_BROKEN',
    detail: { needed_setting: 'accept_rsa_pkcs1v15' },
  });
  expect(trust.newest()).toEqual(new Map([[trust.chains()[0]?.id, 1]]));
  const { report } = await reported(trust, returning.release(['one'], { root: 2, brings: [] }));
  expect(await report()).toMatchObject({ state: 'refused', cause: 'signature_scheme' });
});

test('the setting is not named where it would not help: another signer, or no statement of the admin (JR1, TRS1)', async () => {
  const strangersKey = generatePkcs1v15Key();
  const stranger = createSigner(() => strangersKey);
  const trust = await byModern();
  await refusalOf(trust.addChains([stranger.roots(1)]));
  const { report } = await reported(trust);
  expect(await report()).not.toHaveProperty('cause');

  const statements = testStatements();
  const known = { ...NO_PINS, adminKeys: [generateAdminKey()] };
  const withKey = testTrust({ ...strict, statements, known });
  await refusalOf(withKey.addChains([legacy.roots(1)]));
  const unstated = await reported(withKey);
  expect(await unstated.report()).not.toHaveProperty('cause');
  statements.say(rootDigestOf(Buffer.from(legacy.roots(1)[0] ?? '')), 'trusted');
  await refusalOf(withKey.addChains([legacy.roots(1)]));
  await expect.poll(unstated.report).toMatchObject({ cause: 'signature_scheme' });
});

test('a signer that has left the scheme stays trusted once the sled stops accepting it, and its older key does not (PC4, TF2)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signature-policy-'));
  const file = join(folder, 'trust.json');
  try {
    const trust = testTrust(accepting);
    await trust.addChains([leaving.roots(1)], 'file');
    const before = await reported(testTrust({ ...strict, known: trust.saved() }), leaving.release(['old']));
    expect(await before.report()).toMatchObject({ state: 'refused', cause: 'signature_scheme' });

    await trust.addChains([leaving.roots(2)]);
    await writePins(file, trust.saved());
    const known = await readPins(file);
    const after = testTrust({ ...strict, known });
    const newer = await reported(after, leaving.release(['new'], { root: 2, brings: [] }));
    expect(await newer.report()).toMatchObject({ state: 'admitted' });
    const older = await reported(testTrust({ ...strict, known }), leaving.release(['old']));
    expect(await older.report()).toMatchObject({ state: 'refused' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a join pins such a root only where the configuration of the sled accepts it, and names the setting (PAJ3)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signature-policy-'));
  const files = { certificateFile: join(folder, 'sled.pem') };
  const named = {
    adminKeySha256: undefined,
    rootsSha256: [rootDigestOf(Buffer.from(legacy.roots(1)[0] ?? ''))],
  };
  const answer: OfferedPins = { adminKeys: [], rootChains: [legacy.roots(1)] };
  try {
    const refused = await refusalOf(pinAtJoin(files, named, answer, SPECIFIED_SIGNATURES));
    expect(refused).toMatchObject({ code: 'UNTRUSTED_SIGNATURES' });
    expect((refused as DepotError).detail.remedy).toContain('then join again');
    expect((await readPins(join(folder, 'trust.json'))).chains).toEqual([]);
    const joined = await pinAtJoin(files, named, answer, ALL_SIGNATURES);
    expect(joined.roots.map(({ sha256 }) => sha256)).toEqual(named.rootsSha256);
  } finally {
    await rm(folder, { recursive: true });
  }
});
