/** Why a signature does not count: each reason has a message of its own, with the key and the role. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { DepotError } from '../lib/errors.ts';
import { generatePkcs1v15Key } from '../signing/pkcs1v15-key.fixture.ts';
import { keysForAllRoles, rootObject, type SignedObject, signMetadata } from '../signing/sign-metadata.ts';
import { generateSigningKey, type SigningKey } from '../signing/signing-keys.ts';
import { LATER_MS, makeRepository, NOW_MS, sourceOf } from './repository.fixture.ts';
import { ALL_SIGNATURES, SPECIFIED_SIGNATURES } from './signature-policy.ts';
import { parseSelfSignedRoot } from './trusted-set.ts';
import { verifyRepository } from './workflow.ts';

const key = generateSigningKey();
const stranger = generateSigningKey();

type Root = SignedObject & { readonly keys: Record<string, unknown>; readonly roles: { root: object } };
type Envelope = { signatures: { keyid: string; sig: string }[]; signed: unknown };

/** The refusal of a root with one key under the id `the-key`. */
const refusal = (listed: unknown, edit: (envelope: Envelope) => void = () => undefined): string => {
  const keys = keysForAllRoles([key]);
  const root = rootObject({ keys, version: 1, expiresMs: LATER_MS, consistentSnapshot: true }) as Root;
  root.keys['the-key'] = listed;
  root.roles.root = { keyids: ['the-key'], threshold: 1 };
  const envelope: Envelope = JSON.parse(
    Buffer.from(signMetadata(root, [{ ...key, keyId: 'the-key' }])).toString(),
  );
  edit(envelope);
  try {
    parseSelfSignedRoot(Buffer.from(JSON.stringify(envelope)), SPECIFIED_SIGNATURES);
    return expect.fail('it was accepted');
  } catch (error) {
    expect(error).toMatchObject({ code: 'UNTRUSTED_SIGNATURES', detail: { role: 'root', valid: 0 } });
    return error instanceof Error ? error.message : '';
  }
};

const START =
  'the root metadata (version 1) has valid signatures by 0 of the 1 keys required by root version 1: ';
const rsaWithExponent1 = (): string => {
  const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
  const forged = createPublicKey({ key: { kty: 'RSA', n, e: 'AQ' }, format: 'jwk' });
  return forged.export({ format: 'pem', type: 'spki' }).toString();
};
const rsa = (text: string, scheme = 'rsassa-pss-sha256') => ({
  keytype: 'rsa',
  scheme,
  keyval: { public: text },
});

test('a signature that does not verify, one that is missing, and one by another key', () => {
  const spoil = ({ signatures }: Envelope) => signatures.splice(0, 1, { keyid: 'the-key', sig: '00' });
  expect(refusal(key.listed, spoil)).toBe(`${START}the signature by the-key does not verify`);

  expect(refusal(key.listed, ({ signatures }) => signatures.splice(0))).toBe(
    `${START}no signature by the-key`,
  );

  const rename = ({ signatures }: Envelope) => signatures.splice(0, 1, { keyid: stranger.keyId, sig: '00' });
  expect(refusal(key.listed, rename)).toBe(
    `${START}no signature by the-key; signed by ${stranger.keyId.slice(0, 16)}…, which root version 1 does not have for this role`,
  );
});

test('a key of an unknown scheme, and one of a type that the scheme does not have', () => {
  expect(refusal(rsa('', 'rsa-pkcs1v15-md5'))).toBe(
    `${START}the key the-key has the unknown scheme "rsa-pkcs1v15-md5"`,
  );
  expect(refusal({ ...rsa(''), keytype: 'dsa' })).toMatch(
    /the key the-key has the type "dsa", which the scheme/,
  );
});

test('a key that cannot be read, and an RSA key that proves nothing (KY3)', () => {
  expect(refusal(rsa('-----BEGIN RSA PUBLIC KEY-----'))).toBe(
    `${START}the key the-key cannot be read: its public part is no such key in PEM or hex`,
  );
  expect(refusal(rsa(rsaWithExponent1()))).toMatch(
    /the key the-key cannot be read: its exponent is 1; odd ones from 3 to 4294967295 are accepted/,
  );
});

test('a key that the role names and the file does not have', () => {
  const keys = keysForAllRoles([key]);
  const root = rootObject({ keys, version: 1, expiresMs: LATER_MS, consistentSnapshot: true }) as Root;
  root.roles.root = { keyids: ['the-key'], threshold: 1 };
  expect(() => parseSelfSignedRoot(signMetadata(root, [key]), SPECIFIED_SIGNATURES)).toThrow(
    /names the key "the-key", which/,
  );
});

test('an unknown scheme is quoted short, and without characters that a terminal would follow', () => {
  const message = refusal(rsa('', `\u001b[2J\u202e${'x'.repeat(1_000)}`));
  expect(message).toContain('the unknown scheme "\\u001b[2J\\u202exxx');
  expect(message.length).toBeLessThan(400);
});

test('keys of PKCS#1 v1.5 vouch for a repository only under a policy that accepts them, which the refusal names (KY4)', async () => {
  const legacy = generatePkcs1v15Key();
  const made = makeRepository({
    key: legacy,
    targets: { targets: [['top', 'x']], delegations: [{ to: 'team', keys: [legacy], paths: ['a/*'] }] },
    roles: { team: { targets: [['a/b', 'y']], signers: [legacy] } },
  });
  const options = { trustRoots: [{ id: 'pinned', bytes: made.root }], nowMs: NOW_MS };
  await expect(verifyRepository(sourceOf(made), options)).rejects.toMatchObject({
    code: 'UNTRUSTED_SIGNATURES',
    message: expect.stringContaining(
      'has the scheme rsa-pkcs1v15-sha256, which counts only where a policy accepts it (accept_rsa_pkcs1v15 = true in [trust] of nexus.toml',
    ),
    detail: {
      needed_setting: 'accept_rsa_pkcs1v15',
      remedy: expect.stringContaining('accept_rsa_pkcs1v15 = true'),
    },
  });
  const { allTargets } = await verifyRepository(sourceOf(made), { ...options, signatures: ALL_SIGNATURES });
  expect([...allTargets.keys()]).toEqual(['top', 'a/b']);
});

test('the setting is the remedy only where it is what the signatures lack (KY4)', () => {
  const legacy = generatePkcs1v15Key();
  const keys = keysForAllRoles([legacy]);
  const root = rootObject({ keys, version: 1, expiresMs: LATER_MS, consistentSnapshot: false });
  const refused = (signers: readonly SigningKey[], policy = SPECIFIED_SIGNATURES): unknown => {
    try {
      return parseSelfSignedRoot(signMetadata(root, signers), policy).signed.version;
    } catch (error) {
      return error instanceof DepotError ? [error.code, error.detail.needed_setting] : error;
    }
  };
  expect(refused([legacy])).toEqual(['UNTRUSTED_SIGNATURES', 'accept_rsa_pkcs1v15']);
  expect(refused([])).toEqual(['UNTRUSTED_SIGNATURES', undefined]);
  const forger = { ...generatePkcs1v15Key(), keyId: legacy.keyId };
  expect(refused([forger])).toEqual(['UNTRUSTED_SIGNATURES', undefined]);
  expect(refused([legacy], ALL_SIGNATURES)).toBe(1);
  expect(refused([forger], ALL_SIGNATURES)).toEqual(['UNTRUSTED_SIGNATURES', undefined]);
});
