/** The status and the metrics of a Nexus that is still starting, before its services exist (SU1). */
import type { FleetStatus } from '../../api/operator-fleet-api.ts';
import type { NexusId } from '../../core/ids.ts';
import type { Outage } from '../datastore/database-watch.ts';
import { nothingRead } from '../status/database-reading.ts';
import { fleetStatus } from '../status/fleet-status.ts';
import type { MetricFacts } from '../status/metrics.ts';
import type { NexusConfig } from './config.ts';

export type StartingFacts = {
  readonly nexusId: NexusId;
  readonly config: NexusConfig;
  readonly outage: Outage | undefined;
};

export const startingStatus = ({ nexusId, config, outage }: StartingFacts): FleetStatus =>
  fleetStatus({
    nexusId,
    database: nothingRead(outage),
    minSledReplication: config.replication.minSledReplication,
    observation: undefined,
    replicationError: undefined,
    replicationPaused: config.replication.disable,
    plainListen: config.plainListen,
    debugListen: config.debugListen,
    uploadsInProgress: 0,
    localRepos: 0,
    notices: [{ code: 'NEXUS_STARTING', error: outage?.message }],
  });

export const startingMetrics = (facts: StartingFacts): MetricFacts => ({
  status: startingStatus(facts),
  database: nothingRead(facts.outage),
  sources: [],
  certificates: [],
});
