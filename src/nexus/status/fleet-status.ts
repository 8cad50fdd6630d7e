/** The verdict of one Nexus over the fleet: its last observation, and what is wrong beside it. */
import type { FleetStatus } from '../../api/operator-fleet-api.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import { worst } from '../../core/health.ts';
import { asGeneration, type NexusId } from '../../core/ids.ts';
import { nameReasons } from '../../core/named-reasons.ts';
import { isoTime } from '../../lib/clock.ts';
import { formatAddress, type SocketAddress } from '../../lib/endpoint.ts';
import { isSilent } from '../background/heartbeat.ts';
import type { NexusRecord } from '../datastore/ports/nexus-port.ts';
import type { Observation } from '../replication/observation.ts';
import { type DatabaseReading, databaseView, outageReasons } from './database-reading.ts';
import { reasonView } from './reasons.ts';
import { releaseSummary } from './release-view.ts';

export type StatusFacts = {
  readonly nexusId: NexusId;
  readonly database: DatabaseReading;
  readonly minSledReplication: number;
  readonly observation: Observation | undefined;
  /** The error of the last activation of replication, if it failed. */
  readonly replicationError: string | undefined;
  readonly replicationPaused: boolean;
  /** The address at which sleds without an identity register, if there is one. */
  readonly plainListen: SocketAddress | undefined;
  /** The address at which background tasks are read without a token, if there is one. */
  readonly debugListen: SocketAddress | undefined;
  readonly uploadsInProgress: number;
  readonly localRepos: number;
  /** What the start-up found and repaired, what expires, and whatever else a person has to know. */
  readonly notices: readonly HealthReason[];
};

/** The first generation of a database is 1. */
const NEVER_READ = asGeneration(0);

export const fleetStatus = (facts: StatusFacts): FleetStatus => {
  const { observation } = facts;
  const read = facts.database.known?.facts;
  const inService = (read?.nexuses ?? []).filter(nexus => nexus.policy === 'in_service');
  const silent = inService.filter(isSilent);
  const reasons: HealthReason[] = [
    ...outageReasons(facts.database),
    ...ownReasons(facts),
    ...silenceReasons(silent, facts.nexusId),
    ...(observation?.reasons ?? []),
    ...(observation?.releases.flatMap(release => release.reasons) ?? []),
  ];
  const { named, totals } = nameReasons(reasons);
  return {
    verdict: worst(reasons),
    reasons: named.map(reasonView),
    reason_totals: [...totals],
    nexus_id: facts.nexusId,
    // Every database has one above 0: this says that none was ever read.
    generation: read?.generation ?? NEVER_READ,
    min_sled_replication: facts.minSledReplication,
    sleds: {
      in_service: observation?.sleds.length ?? 0,
      answering: observation?.sleds.filter(sled => sled.answer.kind === 'ok').length ?? 0,
      expunged: read?.sledsExpunged ?? 0,
      plain: observation?.sleds.filter(sled => sled.isPlain === true).length ?? 0,
    },
    nexuses: { alive: inService.length - silent.length, silent: silent.length },
    releases: observation?.releases.map(release => releaseSummary(observation, release)) ?? [],
    local_repos: facts.localRepos,
    local_repos_not_safe: observation?.localRepos.notSafe ?? facts.localRepos,
    uploads_in_progress: facts.uploadsInProgress,
    requests_deferred: observation?.plan.deferred ?? 0,
    ...(observation === undefined ? {} : { time_observed: isoTime(observation.timeMs) }),
    database: databaseView(facts.database),
  };
};

const ownReasons = (facts: StatusFacts): HealthReason[] => {
  const reasons: HealthReason[] = [...facts.notices];
  if (facts.replicationError !== undefined)
    reasons.push({ code: 'REPLICATION_ERROR', because: 'round_failed', error: facts.replicationError });
  if (facts.replicationPaused) reasons.push({ code: 'REPLICATION_PAUSED' });
  if (facts.plainListen !== undefined)
    reasons.push({ code: 'PLAIN_LISTEN', address: formatAddress(facts.plainListen) });
  if (facts.debugListen !== undefined)
    reasons.push({ code: 'DEBUG_LISTEN', address: formatAddress(facts.debugListen) });
  const read = facts.database.known?.facts;
  const self = read?.nexuses.find(({ id }) => id === facts.nexusId);
  if (self?.policy === 'expunged') reasons.push({ code: 'NEXUS_EXPUNGED' });
  if (read?.expiries.roots.length === 0) reasons.push({ code: 'NO_TRUST_ROOT' });
  const { observation } = facts;
  if (observation === undefined) reasons.push({ code: 'NOT_YET_LOOKED', because: 'just_started' });
  else if (read !== undefined && observation.generation < read.generation) {
    const { generation: observedGeneration } = observation;
    reasons.push({
      code: 'NOT_YET_LOOKED',
      because: 'older_generation',
      databaseGeneration: read.generation,
      observedGeneration,
    });
  }
  return reasons;
};

/** Where the heartbeats of this very Nexus are not recorded, no other one is dead for that. */
const silenceReasons = (silent: readonly NexusRecord[], self: NexusId): HealthReason[] => {
  const own = silent.find(({ id }) => id === self);
  if (own === undefined) return silent.map(nexusSilent);
  const { heartbeatAgeMs, timeHeartbeatMs: sinceMs } = own;
  return [{ code: 'DATABASE_UNAVAILABLE', because: 'commits_unanswered', heartbeatAgeMs, sinceMs }];
};

const nexusSilent = ({ id, heartbeatAgeMs, localRepos, timeHeartbeatMs }: NexusRecord): HealthReason => ({
  code: 'NEXUS_SILENT',
  nexusId: id,
  heartbeatAgeMs,
  localRepos,
  sinceMs: timeHeartbeatMs,
});
