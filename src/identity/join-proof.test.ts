import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { generateKey } from './issue.ts';
import { MAX_SIGNATURE_BYTES, PUBLIC_KEY_BYTES, proveKey, provenKey } from './join-proof.ts';

const WHAT = { fleet: 'prod.example.org', tokenSha256: 'ab'.repeat(32) };
const key = generateKey();
const proof = proveKey(key, WHAT);
const der = Buffer.from(proof.publicKeyDer);

test('a key is proven for its fleet and its token, and for nothing else (JP2)', () => {
  expect(provenKey(proof, WHAT)?.equals(key.publicKey)).toBe(true);
  expect(der).toHaveLength(PUBLIC_KEY_BYTES);
  expect(proof.signature.length).toBeLessThanOrEqual(MAX_SIGNATURE_BYTES);
  for (const other of [
    { ...WHAT, fleet: 'prod.example' },
    { ...WHAT, tokenSha256: 'ac'.repeat(32) },
  ])
    expect(provenKey(proof, other)).toBeUndefined();
  const { publicKeyDer } = proveKey(generateKey(), WHAT);
  expect(provenKey({ ...proof, publicKeyDer }, WHAT), 'the key of somebody else').toBeUndefined();
});

test('any changed byte of the key or of the signature proves nothing, and is no fault of the server', () => {
  const { signature } = proof;
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, change, inKey) => {
      const bytes = Buffer.from(inKey ? der : signature);
      const index = at % bytes.length;
      bytes[index] = bytes[index]! ^ change;
      const changed = inKey ? { signature, publicKeyDer: bytes } : { publicKeyDer: der, signature: bytes };
      expect(provenKey(changed, WHAT)).toBeUndefined();
    }),
  );
  for (const bytes of [Buffer.alloc(0), der.subarray(1), Buffer.concat([der, Buffer.of(0)])])
    expect(provenKey({ signature, publicKeyDer: bytes }, WHAT)).toBeUndefined();
});

test('a key of another kind, or in another spelling, is refused though its signature is good (JP1)', () => {
  const point = der.subarray(-65);
  const isOdd = (point.at(-1)! & 1) === 1;
  const compressed = Buffer.concat([
    Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
    Buffer.of(isOdd ? 3 : 2),
    point.subarray(1, 33),
  ]);
  const hybrid = Buffer.concat([der.subarray(0, -65), Buffer.of(isOdd ? 7 : 6), point.subarray(1)]);
  const spelledAs = (spki: Buffer) => ({
    privateKey: key.privateKey,
    publicKey: Object.assign(Object.create(key.publicKey), { export: () => spki }),
  });
  const longer = Buffer.concat([der, Buffer.of(0)]);
  for (const spelling of [compressed, hybrid, longer])
    expect(provenKey(proveKey(spelledAs(spelling), WHAT), WHAT)).toBeUndefined();
  expect(provenKey(proveKey(spelledAs(der), WHAT), WHAT), 'the usual one').toBeDefined();
  for (const other of [
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ])
    expect(provenKey(proveKey(other, WHAT), WHAT)).toBeUndefined();
});
