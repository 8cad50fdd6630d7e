/**
 * Public keys and signatures as TUF metadata carries them.
 *
 * KY1. A threshold counts distinct public keys, whatever ids and schemes they are listed under. A key id is
 *      therefore only a label inside one root: it need not be the key's hash, and some signers' is not.
 * KY2. A key of an unknown type or scheme, or one that does not parse, does not count, and does not affect the others.
 */
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Fields } from './fields.ts';

export type PublicKey = {
  /** Equal for two listings of one public key, different for two keys. */
  readonly identity: string;
  /** Of one signature, beside hashing the message (WB1). */
  readonly verifySteps: number;
  readonly verify: (message: Uint8Array, signatureHex: string) => boolean;
};

/** RSA of 16,384 bits fits; a longer key does not count (KY2), so that checking a signature stays cheap. */
const MAX_KEY_LENGTH = 4096;
const MIN_RSA_BITS = 2048;
const HEX = /^(?:[0-9a-fA-F]{2})+$/;

/** The prefix of the raw key in a SubjectPublicKeyInfo (RFC 8410, RFC 5480), and the raw length in bytes. */
const ED25519_RAW = { prefix: '302a300506032b6570032100', lengthBytes: 32 };
const P256_RAW = { prefix: '3059301306072a8648ce3d020106082a8648ce3d030107034200', lengthBytes: 65 };
const P384_RAW = { prefix: '3076301006072a8648ce3d020106052b81040022036200', lengthBytes: 97 };

/** On curves, by scheme; of RSA by the square of its length. */
const VERIFY_STEPS = { ed25519: 50_000, p256: 50_000, p384: 150_000, rsa2048: 20_000 } as const;

type Raw = { readonly prefix: string; readonly lengthBytes: number };
type Scheme = {
  readonly keyTypes: readonly string[];
  readonly digest: string | null;
  readonly raw: Raw | undefined;
  readonly verifySteps: (key: KeyObject) => number;
  readonly accepts: (key: KeyObject) => boolean;
};

const isCurve = (namedCurve: string) => (key: KeyObject) =>
  key.asymmetricKeyDetails?.namedCurve === namedCurve;
const rsaBits = (key: KeyObject): number => key.asymmetricKeyDetails?.modulusLength ?? 0;
const isRsa = (key: KeyObject): boolean => key.asymmetricKeyType === 'rsa' && rsaBits(key) >= MIN_RSA_BITS;
const rsaPss = (digest: string): Scheme => ({
  keyTypes: ['rsa'],
  digest,
  raw: undefined,
  verifySteps: key => VERIFY_STEPS.rsa2048 * (rsaBits(key) / MIN_RSA_BITS) ** 2,
  accepts: isRsa,
});

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  [
    'ed25519',
    {
      keyTypes: ['ed25519'],
      digest: null,
      raw: ED25519_RAW,
      verifySteps: () => VERIFY_STEPS.ed25519,
      accepts: key => key.asymmetricKeyType === 'ed25519',
    },
  ],
  [
    'ecdsa-sha2-nistp256',
    {
      keyTypes: ['ecdsa', 'ecdsa-sha2-nistp256'],
      digest: 'sha256',
      raw: P256_RAW,
      verifySteps: () => VERIFY_STEPS.p256,
      accepts: isCurve('prime256v1'),
    },
  ],
  [
    'ecdsa-sha2-nistp384',
    {
      keyTypes: ['ecdsa', 'ecdsa-sha2-nistp384'],
      digest: 'sha384',
      raw: P384_RAW,
      verifySteps: () => VERIFY_STEPS.p384,
      accepts: isCurve('secp384r1'),
    },
  ],
  ['rsassa-pss-sha256', rsaPss('sha256')],
  ['rsassa-pss-sha384', rsaPss('sha384')],
  ['rsassa-pss-sha512', rsaPss('sha512')],
]);

/**
 * A key of a root's `keys`; undefined for one that this client cannot use (KY2).
 *
 * @throws DepotError if the fields that every key has are malformed
 */
export const parsePublicKey = (fields: Fields): PublicKey | undefined => {
  const keyType = fields.string('keytype');
  const scheme = SCHEMES.get(fields.string('scheme'));
  const text = fields.fields('keyval').object.get('public');
  if (scheme === undefined || !scheme.keyTypes.includes(keyType) || typeof text !== 'string')
    return undefined;
  const key = importKey(text, scheme.raw);
  if (key === undefined || !scheme.accepts(key)) return undefined;

  const padding = key.asymmetricKeyType === 'rsa' ? { padding: constants.RSA_PKCS1_PSS_PADDING } : {};
  return {
    identity: identityOf(key),
    verifySteps: scheme.verifySteps(key),
    verify(message, signatureHex) {
      if (!HEX.test(signatureHex)) return false;
      try {
        return verify(scheme.digest, message, { key, ...padding }, Buffer.from(signatureHex, 'hex'));
      } catch {
        return false;
      }
    },
  };
};

const importKey = (text: string, raw: Raw | undefined): KeyObject | undefined => {
  if (text.length > MAX_KEY_LENGTH) return undefined;
  try {
    if (text.startsWith('-----BEGIN PUBLIC KEY-----')) return createPublicKey(text);
    if (raw === undefined || !HEX.test(text) || text.length !== raw.lengthBytes * 2) return undefined;
    return createPublicKey({ key: Buffer.from(raw.prefix + text, 'hex'), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
};

/** By the numbers that make the key, since one point or modulus has several encodings. */
const identityOf = (key: KeyObject): string => {
  const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' });
  return [kty, crv, x, y, n, e].join(':');
};
