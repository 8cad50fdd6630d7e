import { createHash } from 'node:crypto';

/** A UUID of version 8 (RFC 9562, 5.8: a custom rule): the beginning of a SHA-256, with version and variant set. */
export const derivedUuid = (text: string): string => {
  const bytes = createHash('sha256').update(text).digest();
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
};
