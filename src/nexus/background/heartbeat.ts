/** The heartbeat of this Nexus: it shows others, on the database's clock, whether its local repos are available (P8). */
import type { NexusId } from '../../core/ids.ts';
import type { NexusPort, NexusRecord } from '../datastore/ports/nexus-port.ts';
import type { BackgroundTask } from './task.ts';

const HEARTBEAT_TASK = 'nexus_heartbeat';
const HEARTBEAT_PERIOD_MS = 15_000;
/** Three missed heartbeats. */
export const NEXUS_SILENT_AFTER_MS = 3 * HEARTBEAT_PERIOD_MS;

export const isSilent = ({ heartbeatAgeMs }: NexusRecord): boolean => heartbeatAgeMs >= NEXUS_SILENT_AFTER_MS;

export const heartbeatTask = (deps: {
  datastore: Pick<NexusPort, 'nexusHeartbeat'>;
  nexus: { readonly id: NexusId; readonly operatorAddress: string; readonly timeStartedMs: number };
}): BackgroundTask => ({
  name: HEARTBEAT_TASK,
  description: 'tell the database that this Nexus is alive',
  periodMs: HEARTBEAT_PERIOD_MS,
  async activate({ log, signal }) {
    const { policy } = await deps.datastore.nexusHeartbeat(deps.nexus, { signal });
    if (policy === 'expunged')
      log.warn({ nexus_id: deps.nexus.id }, 'this Nexus is expunged: its local repos do not count');
    return { summary: { nexus_id: deps.nexus.id, policy } };
  },
});
