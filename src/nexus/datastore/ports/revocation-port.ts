/** What the database says of identities that do not count any more. */
import type { Revocation } from '../../../core/revocation.ts';
import type { Wait } from './verb.ts';

export type RevocationPort = {
  /**
   * Sleds and Nexuses that were ever expunged, and sleds as which a new key joined: decisions/revoke.ts. One of each identity,
   * the latest; the newest first, at most `MAX_REVOCATIONS`.
   */
  readonly revocationList: (wait: Wait) => Promise<readonly Revocation[]>;
};
