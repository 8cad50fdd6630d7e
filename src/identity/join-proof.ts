/**
 * The proof that a machine that joins has the private key of the public key that it sends.
 *
 *     fleet, SHA-256 of the token, public key ─▶ text ─▶ ECDSA P-256 with SHA-256
 *
 * JP1. A public key has one spelling: SubjectPublicKeyInfo of a P-256 key with an uncompressed point, 91 bytes. Another spelling
 *      of the same key would be another digest, and could become another sled.
 * JP2. The signed text has a purpose, the fleet and the token, so that a signature is of no use for anything else.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 0x04 … (RFC 5480, 2; SEC 1, 2.3.3). */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
export const PUBLIC_KEY_BYTES = 91;
/** Of a signature in DER: two integers of 33 bytes. */
export const MAX_SIGNATURE_BYTES = 72;

export type JoinProof = { readonly publicKeyDer: Uint8Array; readonly signature: Uint8Array };
export type ProvedFor = { readonly fleet: string; readonly tokenSha256: string };

export const proveKey = (
  { privateKey, publicKey }: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  what: ProvedFor,
): JoinProof => {
  const publicKeyDer = publicKey.export({ type: 'spki', format: 'der' });
  const signature = sign('sha256', signedText(what, publicKeyDer), { key: privateKey, dsaEncoding: 'der' });
  return { publicKeyDer, signature };
};

/** Undefined for a key that is none (JP1), or that its sender does not have. */
export const provenKey = ({ publicKeyDer, signature }: JoinProof, what: ProvedFor): KeyObject | undefined => {
  if (publicKeyDer.length !== PUBLIC_KEY_BYTES) return undefined;
  if (!SPKI_PREFIX.equals(publicKeyDer.subarray(0, SPKI_PREFIX.length))) return undefined;
  const publicKey = parsedKey(publicKeyDer);
  if (publicKey === undefined) return undefined;
  const key = { key: publicKey, dsaEncoding: 'der' } as const;
  return verify('sha256', signedText(what, publicKeyDer), key, signature) ? publicKey : undefined;
};

/** Undefined for a point that is not on the curve. */
const parsedKey = (der: Uint8Array): KeyObject | undefined => {
  try {
    return createPublicKey({ key: Buffer.from(der), type: 'spki', format: 'der' });
  } catch {
    return undefined;
  }
};

/** JP2. */
const signedText = ({ fleet, tokenSha256 }: ProvedFor, publicKeyDer: Uint8Array): Buffer =>
  Buffer.from(
    `tuf-depot join 1\n${fleet}\n${tokenSha256}\n${Buffer.from(publicKeyDer).toString('base64')}\n`,
  );
