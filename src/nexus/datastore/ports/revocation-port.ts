/** What the database says of identities that do not count any more. */
import type { Revocation } from '../../../core/revocation.ts';
import type { Wait } from './verb.ts';

export type RevocationPort = {
  /**
   * Sleds and Nexuses that are expunged, with the time of it; sleds as which another key joined, with the time of the last one.
   * One of each identity, the latest; at most `MAX_REVOCATIONS`, the newest.
   */
  readonly revocationList: (wait: Wait) => Promise<readonly Revocation[]>;
};
