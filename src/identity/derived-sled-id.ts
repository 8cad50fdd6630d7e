/** The id of a sled that has none of its own: the same at each start, and after a wipe. */
import { createHash } from 'node:crypto';
import { SledId } from '../core/ids.ts';

/** A UUID of version 8 (RFC 9562, 5.8: a custom rule) derived from part and serial number. */
export const derivedSledId = (part: string, serial: string): SledId => {
  const hex = createHash('sha256').update(`tuf-depot sled\n${part}\n${serial}\n`).digest('hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return SledId.parse(
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`,
  );
};
