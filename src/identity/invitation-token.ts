/**
 * The token of an invitation: the secret, and what a machine needs to recognise the fleet before it sends anything.
 *
 *     tufjoin_ BASE64URL( version ┃ secret, 32 bytes ┃ SHA-256 of the authority's public key ┃ fleet ┃ CRC-32 )
 *
 * JT1. One text for one content: what is not spelled as {@link makeInvitationToken} spells it is no token.
 * JT2. The authority is named by its key, so that a renewed certificate of the same key is the same authority.
 * JT3. Only the SHA-256 of the whole text is stored, so an altered fleet or authority is an unknown token.
 */
import { createHash, type KeyObject, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { FleetName } from './peer-identity.ts';

export type InvitedTo = {
  readonly fleet: string;
  /** Of the public key of the authority, in hex. */
  readonly authoritySha256: string;
};

const PREFIX = 'tufjoin_';
const VERSION = 1;
/** 256 bits cannot be guessed: a plain SHA-256 of them is safe to store. */
const SECRET_BYTES = 32;
const DIGEST_BYTES = 32;
const CHECKSUM_BYTES = 4;
const FLEET_AT = 1 + SECRET_BYTES + DIGEST_BYTES;
/** Of a token of a fleet with the longest name. */
export const MAX_INVITATION_CHARS = 512;

export const makeInvitationToken = (
  { fleet, authoritySha256 }: InvitedTo,
  secret: Uint8Array = randomBytes(SECRET_BYTES),
): string => {
  const digest = Buffer.from(authoritySha256, 'hex');
  const content = Buffer.concat([Buffer.of(VERSION), secret, digest, Buffer.from(fleet, 'latin1')]);
  return spelled(Buffer.concat([content, checksum(content)]));
};

/** Undefined for what is no whole token (JT1). */
export const parseInvitationToken = (token: string): InvitedTo | undefined => {
  if (!token.startsWith(PREFIX) || token.length > MAX_INVITATION_CHARS) return undefined;
  const bytes = Buffer.from(token.slice(PREFIX.length), 'base64url');
  if (spelled(bytes) !== token || bytes[0] !== VERSION || bytes.length <= FLEET_AT + CHECKSUM_BYTES)
    return undefined;
  const content = bytes.subarray(0, -CHECKSUM_BYTES);
  if (!checksum(content).equals(bytes.subarray(-CHECKSUM_BYTES))) return undefined;
  const fleet = FleetName.safeParse(content.subarray(FLEET_AT).toString('latin1'));
  if (!fleet.success) return undefined;
  return {
    fleet: fleet.data,
    authoritySha256: content.subarray(FLEET_AT - DIGEST_BYTES, FLEET_AT).toString('hex'),
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
