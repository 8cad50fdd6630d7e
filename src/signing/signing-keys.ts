/**
 * Keys that sign releases, kept as PKCS#8 PEM files that only their owner can read.
 *
 * All other fields of a key in metadata (type, scheme, id) follow from the private key, so a file of `openssl genpkey`
 * works as well as one of ours.
 */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { cannotWrite, isFull } from '../lib/disk-errors.ts';
import { createNewFile } from '../lib/durable-file.ts';
import { DepotError } from '../lib/errors.ts';
import { createNamedFilesDisk } from '../lib/real-disk.ts';
import { canonicalJson } from '../tuf/canonical-json.ts';
import { parseStrictJson } from '../tuf/strict-json.ts';

export const SIGNING_KEY_TYPES = ['ed25519', 'ecdsa-p256', 'rsa-pss'] as const;
export type SigningKeyType = (typeof SIGNING_KEY_TYPES)[number];

/** A key as the `keys` of a root list it. */
type ListedKey = {
  readonly keytype: string;
  readonly scheme: string;
  readonly keyval: { readonly public: string };
};

export type SigningKey = {
  readonly type: SigningKeyType;
  /** SHA-256 of the canonical form of `listed`, as the specification asks (4.2). */
  readonly keyId: string;
  readonly listed: ListedKey;
  /** A signature in hex. Only ed25519 gives the same one every time. */
  readonly sign: (message: Uint8Array) => string;
  /** PKCS#8. A secret. */
  readonly privatePem: string;
};

const RSA_BITS = 3072;
const OWNER_ONLY = 0o600;
const keyFiles = createNamedFilesDisk({ fileMode: OWNER_ONLY });
const OTHERS = 0o077;
const MAX_KEY_FILE_BYTES = 64 * 1024;

export const generateSigningKey = (type: SigningKeyType = 'ed25519'): SigningKey =>
  fromKeyObject(generate(type));

const generate = (type: SigningKeyType): KeyObject => {
  switch (type) {
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'ecdsa-p256':
      return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
    case 'rsa-pss':
      return generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).privateKey;
    default:
      return type satisfies never;
  }
};

/** @throws DepotError `SIGNING_KEY_INVALID` for anything but a private key of a known type */
export const signingKeyFromPem = (pem: string): SigningKey => {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new DepotError('SIGNING_KEY_INVALID', 'the text is not a private key in PEM form', { cause });
  }
  return fromKeyObject(key);
};

const fromKeyObject = (key: KeyObject): SigningKey => {
  const { type, digest, listed } = describe(key);
  const canonical = canonicalJson(
    parseStrictJson(Buffer.from(JSON.stringify(listed)), 'a public key'),
    'a public key',
  );
  const padding =
    type === 'rsa-pss'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {};
  return {
    type,
    keyId: createHash('sha256').update(canonical).digest('hex'),
    listed,
    sign: message => sign(digest, message, { key, ...padding }).toString('hex'),
    privatePem: key.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
};

/**
 * The same key by the scheme PKCS#1 v1.5, for roles that list it so.
 *
 * @param scheme such as `rsa-pkcs1v15-sha256`
 * @returns undefined for a key that is not of RSA
 */
export const withPkcs1v15 = (key: SigningKey, scheme: string): SigningKey | undefined => {
  if (key.type !== 'rsa-pss') return undefined;
  const privateKey = createPrivateKey(key.privatePem);
  const digest = scheme.slice(scheme.lastIndexOf('-') + 1);
  const signer = { key: privateKey, padding: constants.RSA_PKCS1_PADDING };
  return { ...key, sign: message => sign(digest, message, signer).toString('hex') };
};

type Description = {
  readonly type: SigningKeyType;
  readonly digest: 'sha256' | null;
  readonly listed: ListedKey;
};

const describe = (key: KeyObject): Description => {
  const publicKey = createPublicKey(key);
  const pem = publicKey.export({ format: 'pem', type: 'spki' }) as string;
  const kind = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType;
  switch (kind) {
    case 'ed25519': {
      const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('hex');
      return { type: 'ed25519', digest: null, listed: list('ed25519', 'ed25519', raw) };
    }
    case 'prime256v1':
      return { type: 'ecdsa-p256', digest: 'sha256', listed: list('ecdsa', 'ecdsa-sha2-nistp256', pem) };
    case 'rsa':
      return { type: 'rsa-pss', digest: 'sha256', listed: list('rsa', 'rsassa-pss-sha256', pem) };
    default:
      throw new DepotError(
        'SIGNING_KEY_INVALID',
        `a key of type ${kind} cannot sign; use ed25519, ECDSA P-256 or RSA`,
      );
  }
};

const list = (keytype: string, scheme: string, text: string): ListedKey => ({
  keytype,
  scheme,
  keyval: { public: text },
});

/** Writes a new key file, readable by its owner only. An existing file is never changed. */
export const writeSigningKey = async (path: string, { privatePem }: SigningKey): Promise<void> => {
  const bytes = new TextEncoder().encode(privatePem);
  await createNewFile(path, file => file.write(bytes, 0), { disk: keyFiles }).catch((cause: unknown) => {
    if (isFull(cause)) throw cannotWrite(path, cause);
    throw new DepotError(
      'SIGNING_KEY_INVALID',
      `the key file ${path} cannot be created; keys are never overwritten`,
      {
        cause,
      },
    );
  });
};

/** @throws DepotError `SIGNING_KEY_INVALID` for a file without a key, or one that others than its owner can read */
export const readSigningKey = async (path: string): Promise<SigningKey> => {
  const invalid = (problem: string, cause?: unknown): DepotError =>
    new DepotError('SIGNING_KEY_INVALID', `the key file ${path} ${problem}`, { cause });
  const { mode, size } = await stat(path).catch((cause: unknown) => {
    throw invalid('cannot be read', cause);
  });
  if ((mode & OTHERS) !== 0) throw invalid(`is open to others than its owner; run: chmod 600 ${path}`);
  if (size > MAX_KEY_FILE_BYTES) throw invalid(`has ${size} bytes; the limit is ${MAX_KEY_FILE_BYTES}`);
  try {
    return signingKeyFromPem(await readFile(path, 'utf8'));
  } catch (cause) {
    throw invalid('holds no usable key', cause);
  }
};
