/**
 * The form of an operator's token:
 *
 *     tufdepot_ SECRET (64 hex digits: 32 random bytes) CHECKSUM (8 hex digits: CRC-32 of what stands before it)
 *
 * A scanner for secrets finds `tufdepot_[0-9a-f]{72}`, and tells a token from an example by its checksum. A token with a
 * mistyped or missing character is recognised without a look-up.
 */
import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const PREFIX = 'tufdepot_';
/** 256 bits cannot be guessed: a plain SHA-256 of them is safe to store. */
const SECRET_BYTES = 32;
const FORM = /^tufdepot_[0-9a-f]{72}$/;
const CHECKSUM_DIGITS = 8;

export const makeOperatorToken = (): string => {
  const text = `${PREFIX}${randomBytes(SECRET_BYTES).toString('hex')}`;
  return `${text}${checksum(text)}`;
};

/** @returns `other` for a word without the prefix, `damaged` for one with a wrong length, character or checksum */
export const formOfToken = (word: string): 'whole' | 'damaged' | 'other' => {
  if (!word.startsWith(PREFIX)) return 'other';
  const text = word.slice(0, -CHECKSUM_DIGITS);
  return FORM.test(word) && word === `${text}${checksum(text)}` ? 'whole' : 'damaged';
};

/** The stored form. */
export const tokenDigest = (token: string): string => createHash('sha256').update(token).digest('hex');

const checksum = (text: string): string => crc32(text).toString(16).padStart(CHECKSUM_DIGITS, '0');
