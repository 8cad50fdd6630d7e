/**
 * Keys of simulated processes: real P-256 keys, the same in every run.
 *
 * IK1. The name of a key determines it, so a replay has the same digests.
 */
import { createECDH, createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

export type SimKey = { readonly privateKey: KeyObject; readonly publicKey: KeyObject };

export type SimKeys = (name: string) => SimKey;

export const createKeys = (): SimKeys => {
  const made = new Map<string, SimKey>();
  return name => {
    const known = made.get(name) ?? makeKey(name);
    made.set(name, known);
    return known;
  };
};

/** A digest is below the order of the curve, but for one in 2^32. */
const makeKey = (name: string): SimKey => {
  const d = createHash('sha256').update(`simulated key ${name}`).digest();
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(d);
  const point = curve.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  const jwk = { kty: 'EC', crv: 'P-256', ...encoded({ d, x, y }) };
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
  return { privateKey, publicKey: createPublicKey(privateKey) };
};

const encoded = (parts: Readonly<Record<string, Buffer>>): Record<string, string> =>
  Object.fromEntries(Object.entries(parts).map(([name, bytes]) => [name, bytes.toString('base64url')]));
