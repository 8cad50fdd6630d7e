/**
 * Public keys and signatures as TUF metadata carries them.
 *
 * KY1. A threshold counts distinct public keys, whatever ids and schemes they are listed under. A key id is
 *      therefore only a label inside one root: it need not be the key's hash, and some signers' is not.
 * KY2. A key of an unknown type or scheme, or one that does not parse, does not count, and does not affect the others. Where a
 *      threshold is missed, the error has the reason.
 * KY4. A key of RSASSA-PKCS1-v1_5, which the specification does not have, counts only where the policy of a verification accepts it.
 * KY3. An RSA key counts only with numbers that can be those of an honest signer: the checks of OpenSSL accept an exponent of 1.
 */
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { quoted } from '../lib/shown-text.ts';
import type { Fields } from './fields.ts';

export type ListedKey =
  | PublicKey
  | { readonly isUsable: false /** The end of a sentence about the key. */; readonly problem: string };

export type PublicKey = {
  readonly isUsable: true;
  /** Equal for two listings of one public key, different for two keys. */
  readonly identity: string;
  /** Of one signature, beside hashing the message (WB1). */
  readonly verifySteps: number;
  /** Its scheme, if only a policy makes it count (KY4). */
  readonly neededPolicy?: string;
  readonly verify: (message: Uint8Array, signatureHex: string) => boolean;
};

/** RSA of 16,384 bits fits; a longer key does not count (KY2), so that checking a signature stays cheap. */
const MAX_KEY_LENGTH = 4096;
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 16_384;
/** An exponent of 1 makes everyone a signer; an even one has no private key. */
const MIN_RSA_EXPONENT = 3n;
/** Others refuse a larger one, with which a verification costs as much as a signature. */
const MAX_RSA_EXPONENT = 2n ** 32n - 1n;
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
  readonly problem: KeyProblem;
  /** Instead of PSS (KY4). */
  readonly isPkcs1v15?: boolean;
};

type KeyProblem = (key: KeyObject) => string | undefined;

const isNotOf =
  (type: 'ed25519' | 'prime256v1' | 'secp384r1'): KeyProblem =>
  ({ asymmetricKeyType, asymmetricKeyDetails }) =>
    (asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType) === type ? undefined : `it is no ${type} key`;

const rsaBits = (key: KeyObject): number => key.asymmetricKeyDetails?.modulusLength ?? 0;

/** KY3. */
const rsaProblem: KeyProblem = key => {
  if (key.asymmetricKeyType !== 'rsa') return 'it is no RSA key';
  const bits = rsaBits(key);
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)
    return `its modulus has ${bits} bits; from ${MIN_RSA_BITS} to ${MAX_RSA_BITS} are accepted`;
  const exponent = key.asymmetricKeyDetails?.publicExponent ?? 0n;
  if (exponent < MIN_RSA_EXPONENT || exponent > MAX_RSA_EXPONENT || exponent % 2n === 0n)
    return `its exponent is ${shownExponent(exponent)}; odd ones from ${MIN_RSA_EXPONENT} to ${MAX_RSA_EXPONENT} are accepted`;
  const { n = '' } = key.export({ format: 'jwk' });
  const isOdd = ((Buffer.from(n, 'base64url').at(-1) ?? 0) & 1) === 1;
  return isOdd ? undefined : 'its modulus is even';
};

const MAX_SHOWN_DIGITS = 20;

const shownExponent = (exponent: bigint): string => {
  const digits = exponent.toString();
  return digits.length > MAX_SHOWN_DIGITS ? `a number of ${digits.length} digits` : digits;
};

const rsaPkcs1v15 = (digest: string): Scheme => ({ ...rsaPss(digest), isPkcs1v15: true });

const rsaPss = (digest: string): Scheme => ({
  keyTypes: ['rsa'],
  digest,
  raw: undefined,
  verifySteps: key => VERIFY_STEPS.rsa2048 * (rsaBits(key) / MIN_RSA_BITS) ** 2,
  problem: rsaProblem,
});

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  [
    'ed25519',
    {
      keyTypes: ['ed25519'],
      digest: null,
      raw: ED25519_RAW,
      verifySteps: () => VERIFY_STEPS.ed25519,
      problem: isNotOf('ed25519'),
    },
  ],
  [
    'ecdsa-sha2-nistp256',
    {
      keyTypes: ['ecdsa', 'ecdsa-sha2-nistp256'],
      digest: 'sha256',
      raw: P256_RAW,
      verifySteps: () => VERIFY_STEPS.p256,
      problem: isNotOf('prime256v1'),
    },
  ],
  [
    'ecdsa-sha2-nistp384',
    {
      keyTypes: ['ecdsa', 'ecdsa-sha2-nistp384'],
      digest: 'sha384',
      raw: P384_RAW,
      verifySteps: () => VERIFY_STEPS.p384,
      problem: isNotOf('secp384r1'),
    },
  ],
  ['rsassa-pss-sha256', rsaPss('sha256')],
  ['rsassa-pss-sha384', rsaPss('sha384')],
  ['rsassa-pss-sha512', rsaPss('sha512')],
  ['rsa-pkcs1v15-sha256', rsaPkcs1v15('sha256')],
  ['rsa-pkcs1v15-sha384', rsaPkcs1v15('sha384')],
  ['rsa-pkcs1v15-sha512', rsaPkcs1v15('sha512')],
]);

/**
 * A key of a root's `keys`.
 *
 * @throws DepotError if the fields that every key has are malformed
 */
export const parsePublicKey = (fields: Fields): ListedKey => {
  const keyType = fields.string('keytype');
  const schemeName = fields.string('scheme');
  const text = fields.fields('keyval').object.get('public');
  const scheme = SCHEMES.get(schemeName);
  if (scheme === undefined) return unusable(`has the unknown scheme ${quoted(schemeName)}`);
  if (!scheme.keyTypes.includes(keyType))
    return unusable(`has the type ${quoted(keyType)}, which the scheme ${quoted(schemeName)} does not have`);
  const key = typeof text === 'string' ? importKey(text, scheme.raw) : undefined;
  if (key === undefined) return unreadable('its public part is no such key in PEM or hex');
  const problem = scheme.problem(key);
  if (problem !== undefined) return unreadable(problem);

  const isRsa = key.asymmetricKeyType === 'rsa';
  const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants;
  const padding = isRsa ? { padding: scheme.isPkcs1v15 ? RSA_PKCS1_PADDING : RSA_PKCS1_PSS_PADDING } : {};
  return {
    isUsable: true,
    identity: identityOf(key),
    verifySteps: scheme.verifySteps(key),
    ...(scheme.isPkcs1v15 === true && { neededPolicy: schemeName }),
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

const unusable = (problem: string): ListedKey => ({ isUsable: false, problem });
const unreadable = (why: string): ListedKey => unusable(`cannot be read: ${why}`);

const importKey = (text: string, raw: Raw | undefined): KeyObject | undefined => {
  if (text.length > MAX_KEY_LENGTH) return undefined;
  try {
    if (text.startsWith('-----BEGIN PUBLIC KEY-----')) return createPublicKey(text);
    // PKCS#1, which has an RSA key and nothing else.
    if (raw === undefined && text.startsWith('-----BEGIN RSA PUBLIC KEY-----')) return createPublicKey(text);
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
