/** Which Nexus instances are alive, by their heartbeats, and which may be expunged (P8, S23). */
import type { NexusId } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { ExpungeRule, NexusRecord } from '../ports/nexus-port.ts';

/** Both times by the database's clock (P8), which may have been set back in between: never negative. */
export const heartbeatAgeMs = (nowMs: number, heartbeatMs: number): number =>
  Math.max(0, nowMs - heartbeatMs);

/**
 * @param hasJoined by an invitation, for one that has not reached the database (NJ3)
 * @returns `expunged` when it is already
 * @throws `NOT_FOUND`, `NEXUS_ALIVE`
 */
export const decideExpunge = (
  id: NexusId,
  nexus: Pick<NexusRecord, 'policy' | 'heartbeatAgeMs'> | undefined,
  { rule, hasJoined }: { readonly rule: ExpungeRule; readonly hasJoined: boolean },
): 'expunge' | 'expunged' => {
  if (nexus?.policy === 'expunged') return 'expunged';
  if (rule === 'compromised' || (nexus === undefined && hasJoined)) return 'expunge';
  if (nexus === undefined) throw new DepotError('NOT_FOUND', `there is no Nexus ${id}`);
  if (nexus.heartbeatAgeMs >= rule) return 'expunge';
  throw new DepotError(
    'NEXUS_ALIVE',
    `Nexus ${id} was alive ${nexus.heartbeatAgeMs} ms ago: stop it first, and wait ${rule} ms`,
    { detail: { heartbeat_age_ms: nexus.heartbeatAgeMs, alive_ms: rule } },
  );
};
