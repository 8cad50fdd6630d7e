/**
 * The token of an invitation: the secret, and what a machine needs to recognise the fleet before it sends anything.
 *
 *     tufjoin_ BASE64URL( 1 ┃ secret, 32 bytes ┃ SHA-256 of the authority's public key ┃ fleet ┃ CRC-32 )
 *     tufjoin_ BASE64URL( 2 ┃ secret, 32 bytes ┃ SHA-256 of the authority's public key
 *                           ┃ SHA-256 of the admin key, or zeros ┃ number of roots ┃ SHA-256 of each ┃ fleet ┃ CRC-32 )
 *
 * JT1. One text for one content: what is not spelled as {@link makeInvitationToken} spells it is no token.
 * JT2. The authority is named by its key, so that a renewed certificate of the same key is the same authority.
 * JT3. Only the SHA-256 of the whole text is stored, so an altered fleet or authority is an unknown token.
 * JT4. A token of version 2 names what the machine pins: the key of an administrator, and the newest roots of the signers of releases.
 *      One of version 1 names nothing, and a machine that joins with it pins nothing.
 */
import { createHash, type KeyObject, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { FleetName } from './peer-identity.ts';

export type InvitedTo = {
  readonly fleet: string;
  /** Of the public key of the authority, in hex. */
  readonly authoritySha256: string;
  /** Undefined for a token of version 1. */
  readonly pins?: InvitedPins | undefined;
};

/** In hex. */
export type InvitedPins = {
  /** Of the SubjectPublicKeyInfo; undefined in a fleet without one. */
  readonly adminKeySha256: string | undefined;
  /** Of the newest root of each chain, at most {@link MAX_INVITED_ROOTS}. */
  readonly rootsSha256: readonly string[];
};

export const MAX_INVITED_ROOTS = 4;

const PREFIX = 'tufjoin_';
/** 256 bits cannot be guessed: a plain SHA-256 of them is safe to store. */
const SECRET_BYTES = 32;
const DIGEST_BYTES = 32;
const CHECKSUM_BYTES = 4;
const AUTHORITY_AT = 1 + SECRET_BYTES;
const PINS_AT = AUTHORITY_AT + DIGEST_BYTES;
const ROOTS_AT = PINS_AT + DIGEST_BYTES + 1;
const NO_KEY = '0'.repeat(2 * DIGEST_BYTES);
/** Of a token of a fleet with the longest name. */
export const MAX_INVITATION_CHARS = 768;

export const makeInvitationToken = (
  { fleet, authoritySha256, pins }: InvitedTo,
  secret: Uint8Array = randomBytes(SECRET_BYTES),
): string => {
  const content = Buffer.concat([
    Buffer.of(pins === undefined ? 1 : 2),
    secret,
    Buffer.from(authoritySha256, 'hex'),
    pins === undefined ? Buffer.alloc(0) : pinsToBytes(pins),
    Buffer.from(fleet, 'latin1'),
  ]);
  return spelled(Buffer.concat([content, checksum(content)]));
};

const pinsToBytes = ({ adminKeySha256 = NO_KEY, rootsSha256 }: InvitedPins): Buffer => {
  const roots = rootsSha256.slice(0, MAX_INVITED_ROOTS);
  const hex = [adminKeySha256, ...roots].map(digest => Buffer.from(digest, 'hex'));
  const [key = Buffer.alloc(0), ...others] = hex;
  return Buffer.concat([key, Buffer.of(roots.length), ...others]);
};

/** Undefined for what is no whole token (JT1). */
export const parseInvitationToken = (token: string): InvitedTo | undefined => {
  if (!token.startsWith(PREFIX) || token.length > MAX_INVITATION_CHARS) return undefined;
  const bytes = Buffer.from(token.slice(PREFIX.length), 'base64url');
  const content = bytes.subarray(0, -CHECKSUM_BYTES);
  if (spelled(bytes) !== token || !checksum(content).equals(bytes.subarray(-CHECKSUM_BYTES)))
    return undefined;
  const named = content[0] === 1 ? { pins: undefined, fleetAt: PINS_AT } : pinsOfBytes(content);
  if (named === undefined) return undefined;
  const fleet = FleetName.safeParse(content.subarray(named.fleetAt).toString('latin1'));
  if (!fleet.success) return undefined;
  return {
    fleet: fleet.data,
    authoritySha256: content.subarray(AUTHORITY_AT, PINS_AT).toString('hex'),
    ...(named.pins && { pins: named.pins }),
  };
};

const pinsOfBytes = (
  content: Buffer,
): { readonly pins: InvitedPins; readonly fleetAt: number } | undefined => {
  const count = content[ROOTS_AT - 1];
  if (content[0] !== 2 || count === undefined || count > MAX_INVITED_ROOTS) return undefined;
  const digestAt = (at: number) => content.subarray(at, at + DIGEST_BYTES).toString('hex');
  const adminKey = digestAt(PINS_AT);
  return {
    pins: {
      adminKeySha256: adminKey === NO_KEY ? undefined : adminKey,
      rootsSha256: Array.from({ length: count }, (_, at) => digestAt(ROOTS_AT + at * DIGEST_BYTES)),
    },
    fleetAt: ROOTS_AT + count * DIGEST_BYTES,
  };
};

/** Of the SubjectPublicKeyInfo in DER, in hex. */
export const publicKeySha256 = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');

/**
 * In the place of the SHA-256 of a token: of the invitation of the machine that has this key. It needs no secret, since the key is
 * proven; and it is no digest of a token, since no token is spelled so.
 */
export const keyInvitationSha256 = (keySha256: string): string =>
  createHash('sha256').update(`tuf-depot join by key\n${keySha256}\n`).digest('hex');

const spelled = (bytes: Buffer): string => `${PREFIX}${bytes.toString('base64url')}`;

const checksum = (content: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(CHECKSUM_BYTES);
  bytes.writeUInt32BE(crc32(content));
  return bytes;
};
