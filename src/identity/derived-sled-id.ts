import { SledId } from '../core/ids.ts';
import { derivedUuid } from '../lib/derived-uuid.ts';

/** The part number of a sled agent whose configuration has none. */
export const GENERIC_PART = 'generic';

/** The id of a sled that has none of its own: the same at each start, and after a wipe. */
export const derivedSledId = (part: string, serial: string): SledId =>
  SledId.parse(derivedUuid(`tuf-depot sled\n${part}\n${serial}\n`));
