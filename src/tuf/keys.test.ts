import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fieldsOf } from './fields.ts';
import { type ListedKey, type PublicKey, parsePublicKey } from './keys.ts';
import { parseStrictJson } from './strict-json.ts';

const MESSAGE = Buffer.from('what is signed');

const listed = (keytype: string, scheme: string, text: unknown): PublicKey | undefined => {
  const key = parsed(keytype, scheme, text);
  return key.isUsable ? key : undefined;
};
const parsed = (keytype: string, scheme: string, text: unknown): ListedKey => {
  const json = JSON.stringify({ keytype, scheme, keyval: { public: text } });
  const document = { what: 'the key', code: 'METADATA_INVALID' } as const;
  return parsePublicKey(fieldsOf(parseStrictJson(Buffer.from(json), 'the key'), document));
};
const pem = (key: KeyObject): string =>
  createPublicKey(key).export({ format: 'pem', type: 'spki' }) as string;
const pkcs1Pem = (key: KeyObject): string =>
  createPublicKey(key).export({ format: 'pem', type: 'pkcs1' }) as string;
const coordinates = (key: KeyObject): { x: Buffer; y: Buffer } => {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return { x: Buffer.from(x, 'base64url'), y: Buffer.from(y, 'base64url') };
};

const ed25519 = generateKeyPairSync('ed25519').privateKey;
const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

const rawEd25519 = coordinates(ed25519).x.toString('hex');
const rawPoint = (key: KeyObject): string =>
  Buffer.concat([Uint8Array.of(4), coordinates(key).x, coordinates(key).y]).toString('hex');
const signPss = (digest: string): string =>
  sign(digest, MESSAGE, { key: rsa, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }).toString(
    'hex',
  );

describe.each<[string, string, string, string, string]>([
  ['ed25519 in hex', 'ed25519', 'ed25519', rawEd25519, sign(null, MESSAGE, ed25519).toString('hex')],
  ['ed25519 in PEM', 'ed25519', 'ed25519', pem(ed25519), sign(null, MESSAGE, ed25519).toString('hex')],
  ['P-256 in PEM', 'ecdsa', 'ecdsa-sha2-nistp256', pem(p256), sign('sha256', MESSAGE, p256).toString('hex')],
  [
    'P-256 in hex',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp256',
    rawPoint(p256),
    sign('sha256', MESSAGE, p256).toString('hex'),
  ],
  [
    'P-384 in PEM',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp384',
    pem(p384),
    sign('sha384', MESSAGE, p384).toString('hex'),
  ],
  [
    'P-384 in hex',
    'ecdsa',
    'ecdsa-sha2-nistp384',
    rawPoint(p384),
    sign('sha384', MESSAGE, p384).toString('hex'),
  ],
  ['RSA-PSS with SHA-256', 'rsa', 'rsassa-pss-sha256', pem(rsa), signPss('sha256')],
  ['RSA-PSS in PEM of PKCS#1', 'rsa', 'rsassa-pss-sha256', pkcs1Pem(rsa), signPss('sha256')],
  ['RSA-PSS with SHA-384', 'rsa', 'rsassa-pss-sha384', pem(rsa), signPss('sha384')],
  ['RSA-PSS with SHA-512', 'rsa', 'rsassa-pss-sha512', pem(rsa), signPss('sha512')],
])('%s', (_, keytype, scheme, text, signature) => {
  const key = listed(keytype, scheme, text);

  test('verifies what it signed, in either case of hex', () => {
    expect(key?.verify(MESSAGE, signature)).toBe(true);
    expect(key?.verify(MESSAGE, signature.toUpperCase())).toBe(true);
  });

  test('verifies nothing else', () => {
    const flipped = (signature.startsWith('0') ? '1' : '0') + signature.slice(1);
    expect(key?.verify(Buffer.from('something else'), signature)).toBe(false);
    // Cut at the end: an RSA signature is a number, which a first byte of zero does not change.
    const short = signature.slice(0, -2);
    for (const bad of [flipped, `${signature}zz`, short, signature.slice(1), '', 'no hex']) {
      expect(key?.verify(MESSAGE, bad)).toBe(false);
    }
  });
});

test('one public key is one key, in whatever encoding and under whatever scheme it is listed (KY1)', () => {
  expect(listed('ed25519', 'ed25519', rawEd25519)?.identity).toBe(
    listed('ed25519', 'ed25519', pem(ed25519))?.identity,
  );
  const p256Keys = [
    listed('ecdsa', 'ecdsa-sha2-nistp256', pem(p256)),
    listed('ecdsa', 'ecdsa-sha2-nistp256', rawPoint(p256)),
  ];
  expect(new Set(p256Keys.map(key => key?.identity)).size).toBe(1);
  const rsaKeys = ['sha256', 'sha384', 'sha512'].map(digest =>
    listed('rsa', `rsassa-pss-${digest}`, pem(rsa)),
  );
  expect(new Set(rsaKeys.map(key => key?.identity)).size).toBe(1);
  const other = generateKeyPairSync('ed25519').privateKey;
  expect(listed('ed25519', 'ed25519', pem(other))?.identity).not.toBe(
    listed('ed25519', 'ed25519', pem(ed25519))?.identity,
  );
});

test.each<[string, string, string, unknown]>([
  ['an unknown type', 'dsa', 'ed25519', rawEd25519],
  ['an unknown scheme', 'ed25519', 'ed448', rawEd25519],
  ['a scheme of another type', 'rsa', 'ed25519', rawEd25519],
  ['a curve that is not the scheme', 'ecdsa', 'ecdsa-sha2-nistp256', pem(p384)],
  ['an RSA key listed as ed25519', 'ed25519', 'ed25519', pem(rsa)],
  [
    'RSA of 1024 bits',
    'rsa',
    'rsassa-pss-sha256',
    pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
  ],
  ['hex of another length', 'ed25519', 'ed25519', rawEd25519.slice(2)],
  ['a point off the curve', 'ecdsa', 'ecdsa-sha2-nistp256', `04${'11'.repeat(64)}`],
  ['a private key', 'ed25519', 'ed25519', ed25519.export({ format: 'pem', type: 'pkcs8' })],
  ['no public part', 'ed25519', 'ed25519', 7],
  ['something enormous', 'rsa', 'rsassa-pss-sha256', `-----BEGIN PUBLIC KEY-----${'A'.repeat(50_000)}`],
])('%s is no key, and stops nothing (KY2)', (_, keytype, scheme, text) => {
  expect(listed(keytype, scheme, text)).toBeUndefined();
});

describe('an RSA key with numbers that no honest signer has does not count, and the reason is told (KY3)', () => {
  const { n = '', e = '' } = rsa.export({ format: 'jwk' });
  const withNumbers = (numbers: { n?: string; e?: string }): string =>
    createPublicKey({ key: { kty: 'RSA', n, e, ...numbers }, format: 'jwk' }).export({
      format: 'pem',
      type: 'spki',
    }) as string;
  const encoded = (value: bigint): string => {
    const hex = value.toString(16);
    return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
  };
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`);

  test.each<[string, string, RegExp]>([
    ['exponent 1', withNumbers({ e: encoded(1n) }), /its exponent is 1; odd ones from 3/],
    ['exponent 2', withNumbers({ e: encoded(2n) }), /its exponent is 2;/],
    ['an even exponent', withNumbers({ e: encoded(65_536n) }), /its exponent is 65536;/],
    ['an exponent of 33 bits', withNumbers({ e: encoded(2n ** 32n + 1n) }), /its exponent is 4294967297;/],
    ['an exponent of 2047 bits', withNumbers({ e: encoded(2n ** 2046n + 1n) }), /a number of 616 digits/],
    ['an even modulus', withNumbers({ n: encoded(modulus - 1n) }), /its modulus is even/],
    ['a modulus of 1024 bits', withNumbers({ n: encoded((1n << 1023n) + 1n) }), /has 1024 bits; from 2048/],
    ['a modulus of 16,385 bits', withNumbers({ n: encoded((1n << 16_384n) + 1n) }), /has 16385 bits/],
  ])('%s', (_, text, problem) => {
    expect(parsed('rsa', 'rsassa-pss-sha256', text)).toMatchObject({
      isUsable: false,
      problem: expect.stringMatching(problem),
    });
  });

  test('exponents that signers use count', () => {
    for (const exponent of [3n, 17n, 65_537n])
      expect(listed('rsa', 'rsassa-pss-sha256', withNumbers({ e: encoded(exponent) }))).toBeDefined();
  });
});

test('a key of PKCS#1 v1.5 verifies only what was signed by that scheme, and says that it needs a policy (KY4)', () => {
  const key = listed('rsa', 'rsa-pkcs1v15-sha256', pem(rsa));
  const signature = sign('sha256', MESSAGE, rsa).toString('hex');
  expect(key?.neededPolicy).toBe('rsa-pkcs1v15-sha256');
  expect(key?.verify(MESSAGE, signature)).toBe(true);
  expect(key?.verify(MESSAGE, signPss('sha256'))).toBe(false);
  expect(listed('rsa', 'rsassa-pss-sha256', pem(rsa))?.verify(MESSAGE, signature)).toBe(false);
  expect(listed('rsa', 'rsassa-pss-sha256', pem(rsa))?.neededPolicy).toBeUndefined();
});
