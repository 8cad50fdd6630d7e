/** Tells the other Nexus instances, through the database, that this one lives (P8). */
import type { NexusId } from '../../core/ids.ts';
import type { BackgroundTask } from '../background/task.ts';
import type { Datastore } from '../datastore/datastore.ts';

/** A third of the time after which a Nexus counts as silent: one heartbeat can be lost, and a restart takes two. */
const HEARTBEAT_PERIOD_MS = 15_000;

type Deps = {
  readonly datastore: Pick<Datastore, 'nexusHeartbeat'>;
  readonly nexus: {
    readonly id: NexusId;
    readonly operatorAddress: string;
    readonly timeStartedMs: number;
  };
};

export const createNexusHeartbeat = ({ datastore, nexus }: Deps): BackgroundTask => ({
  name: 'nexus_heartbeat',
  description: 'tells the other Nexus instances that this one lives',
  periodMs: HEARTBEAT_PERIOD_MS,
  async activate({ log, signal }) {
    const { policy } = await datastore.nexusHeartbeat(nexus, { signal });
    if (policy === 'expunged')
      log.error({ nexus_id: nexus.id }, 'this Nexus is expunged: its local repos no longer count as copies');
    return { summary: { nexus_id: nexus.id, policy } };
  },
});
