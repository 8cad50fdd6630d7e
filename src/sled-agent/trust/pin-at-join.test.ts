import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateAdminKey, publicKeyPem } from '../../identity/admin-key.ts';
import type { InvitedPins } from '../../identity/invitation-token.ts';
import type { OfferedPins } from '../../join/join-fleet.ts';
import { errorCodeOf } from '../../lib/errors.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import { SPECIFIED_SIGNATURES } from '../../tuf/signature-policy.ts';
import { pinAtJoin } from './pin-at-join.ts';
import { newestRoot } from './pinned-chain.ts';
import { createSigner } from './trust.fixture.ts';
import { readPins } from './trust-file.ts';

const signer = createSigner();
const other = createSigner();
const [key, otherKey] = [generateAdminKey(), generateAdminKey()];
const rootSha256 = (version: number) => rootDigestOf(Buffer.from(signer.roots(version).at(-1) ?? ''));

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pins-'));
});
afterEach(() => rm(directory, { recursive: true }));

const pin = (named: Partial<InvitedPins>, offered: Partial<OfferedPins>) =>
  pinAtJoin(
    { certificateFile: join(directory, 'sled.pem') },
    { adminKeySha256: undefined, rootsSha256: [], ...named },
    { adminKeys: [], rootChains: [], ...offered },
    SPECIFIED_SIGNATURES,
  );
const pinned = () => readPins(join(directory, 'trust.json'));

test('a sled pins the whole chain of the root that its invitation names, and the key (PAJ1)', async () => {
  const answered = await pin(
    { adminKeySha256: key.digest, rootsSha256: [rootSha256(2)] },
    {
      adminKeys: [publicKeyPem(otherKey), publicKeyPem(key)],
      rootChains: [other.roots(1), signer.roots(3)],
    },
  );
  const { chains, adminKeys } = await pinned();
  expect(chains.map(({ by, roots }) => [by, roots.map(({ version }) => version)])).toEqual([
    ['join', [1, 2, 3]],
  ]);
  expect(adminKeys.map(({ digest }) => digest)).toEqual([key.digest]);
  expect(answered).toEqual({
    adminKeySha256: key.digest,
    roots: [{ sha256: rootSha256(3), version: 3 }],
  });
});

test('the root that an invitation names is found in other white space, after a text that is no root (PAJ1, RDG1)', async () => {
  const [first = '', second = ''] = signer.roots(2);
  const pretty = JSON.stringify(JSON.parse(second), null, 2);
  await pin({ rootsSha256: [rootSha256(2)] }, { rootChains: [['no root', first, pretty]] });
  expect((await pinned()).chains.map(({ id }) => id)).toEqual([rootSha256(2)]);
});

test('a sled pins each chain that its invitation names, and no other one (PAJ1)', async () => {
  const third = createSigner();
  const named = [rootSha256(1), rootDigestOf(Buffer.from(other.roots(2)[1] ?? ''))];
  const answered = await pin(
    { rootsSha256: named },
    { rootChains: [third.roots(1), other.roots(2), signer.roots(1)] },
  );
  const { chains } = await pinned();
  expect(chains.map(chain => newestRoot(chain).sha256)).toEqual(named);
  expect(answered.roots.map(({ version }) => version)).toEqual([1, 2]);
});

test('one of two chains that the answer lacks ends the join, and nothing is pinned (PAJ2)', async () => {
  const named = [rootSha256(1), rootDigestOf(Buffer.from(other.roots(1)[0] ?? ''))];
  expect(await pin({ rootsSha256: named }, { rootChains: [signer.roots(1)] }).catch(errorCodeOf)).toBe(
    'PEER_BAD_ANSWER',
  );
  expect(await readdir(directory)).toEqual([]);
});

test.each<[string, Partial<InvitedPins>, Partial<OfferedPins>]>([
  ['another root', { rootsSha256: [rootSha256(1)] }, { rootChains: [other.roots(2)] }],
  ['no root', { rootsSha256: [rootSha256(1)] }, {}],
  [
    'a broken chain',
    { rootsSha256: [rootSha256(1)] },
    { rootChains: [[...signer.roots(1), signer.roots(3)[2] ?? '']] },
  ],
  ['another key', { adminKeySha256: key.digest }, { adminKeys: [publicKeyPem(otherKey)] }],
  ['no key', { adminKeySha256: key.digest, rootsSha256: [rootSha256(1)] }, { rootChains: [signer.roots(1)] }],
])(
  'a Nexus that answers %s in place of what the invitation names has nothing pinned (PAJ2)',
  async (_what, named, offered) => {
    expect(await pin(named, offered).catch(errorCodeOf)).toBe('PEER_BAD_ANSWER');
    expect(await readdir(directory)).toEqual([]);
  },
);
