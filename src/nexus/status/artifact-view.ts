/** One artifact, on the wire: everything that is known of where it is and why (S12). */
import type { ArtifactSummary, ArtifactView } from '../../api/operator-fleet-api.ts';
import type { FleetEventView } from '../../api/operator-history-api.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import { isListing } from '../../core/inventory.ts';
import type { ReleaseArtifact } from '../../core/release.ts';
import type { WaitingDeletion } from '../../core/sled-report.ts';
import {
  copyFailureBody,
  copyInFlightBody,
  deferredBody,
  deletionBody,
  quarantinedBody,
  waitingDeletionBody,
} from '../../sled-wire/report-items.ts';
import type { LocalRepoRecord } from '../datastore/ports/local-repo-port.ts';
import type { RepoRecord } from '../datastore/ports/release-port.ts';
import type { Observation } from '../replication/observation.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { blockedView, reasonView } from './reasons.ts';

export type ArtifactFacts = {
  readonly sha256: ArtifactHash;
  readonly roles: readonly { readonly repo: RepoRecord; readonly artifact: ReleaseArtifact }[];
  readonly localRepos: readonly LocalRepoRecord[];
  readonly observation: Observation | undefined;
  /** The newest first. */
  readonly events: readonly FleetEventView[];
};

export const artifactView = (facts: ArtifactFacts): ArtifactView => {
  const { sha256, roles, observation } = facts;
  const versions = new Map(roles.map(({ repo }) => [repo.id, repo.systemVersion]));
  const blocked = observation?.plan.blocked.filter(b => b.sha256 === sha256) ?? [];
  return {
    sha256,
    size_bytes: roles[0]?.artifact.sizeBytes ?? 0,
    wanted: roles.some(({ repo }) => repo.timePrunedMs === null),
    roles: roles.map(({ repo, artifact }) => ({
      system_version: repo.systemVersion,
      release_present: repo.timePrunedMs === null,
      target_name: artifact.targetName,
      version: artifact.version,
      tags: { ...artifact.tags },
    })),
    sleds: (observation?.sleds ?? []).map(sled => onSled(sled, sha256)),
    local_repos: facts.localRepos.flatMap(({ nexusId, repoId }) => {
      const version = versions.get(repoId);
      return version === undefined ? [] : [{ nexus_id: nexusId, system_version: version }];
    }),
    history: [...facts.events],
    reasons: [
      ...blocked.map(blockedView),
      ...reasonsOfSledsWithout(sha256, observation),
      ...(observation?.sleds ?? []).flatMap(sled => whyStillThere(sled, sha256)),
    ],
  };
};

/** What is wrong with a sled is why it lacks the artifact. */
const reasonsOfSledsWithout = (
  sha256: ArtifactHash,
  observation: Observation | undefined,
): ArtifactView['reasons'] => {
  if (observation === undefined || !observation.wanted.artifacts.has(sha256)) return [];
  const without = observation.sleds.filter(
    ({ answer }) => !isListing(answer) || (answer.held.get(sha256) ?? 0) < answer.datasets,
  );
  const ids = new Set(without.map(sled => sled.id));
  return observation.reasons
    .filter(
      reason => reason.sledId !== undefined && ids.has(reason.sledId) && reason.code !== 'TRANSFER_FAILED',
    )
    .map(reasonView);
};

/** Why a sled still has it although no release lists it: in use (B6), or waiting (T4). */
const whyStillThere = (sled: CollectedSled, sha256: ArtifactHash): ArtifactView['reasons'] => {
  const { id: sledId, serial, report } = sled;
  const about = { sledId, serial, sha256, artifacts: 1 };
  const deferred = report?.deletionsDeferred.find(each => each.sha256 === sha256);
  const waiting = report?.deletionsWaiting?.first.find(each => each.sha256 === sha256);
  const limited = report?.deletionsLimited?.first.find(each => each.sha256 === sha256);
  return [
    ...(deferred ? [reasonView({ code: 'DELETION_DEFERRED', ...about, why: deferred.reason })] : []),
    ...(waiting ? [reasonView({ code: 'DELETION_WAITING', ...about, ...amountOf(waiting) })] : []),
    ...(limited ? [reasonView({ code: 'DELETION_LIMITED', ...about, ...amountOf(limited) })] : []),
  ];
};

const amountOf = ({ sizeBytes, remainingMs }: WaitingDeletion) => ({
  sizeBytes,
  remainingMs: Math.round(remainingMs),
});

const onSled = (sled: CollectedSled, sha256: ArtifactHash): ArtifactView['sleds'][number] => {
  const inFlight = sled.report?.copiesInFlight.find(copy => copy.sha256 === sha256);
  const failed = sled.report?.copiesFailed.findLast(copy => copy.sha256 === sha256);
  const deletion = sled.report?.deletions.findLast(event => event.sha256 === sha256);
  const quarantined = sled.report?.quarantined.findLast(event => event.sha256 === sha256);
  const deferred = sled.report?.deletionsDeferred.find(event => event.sha256 === sha256);
  const { deletionsWaiting, deletionsLimited } = sled.report ?? {};
  const waiting = [...(deletionsWaiting?.first ?? []), ...(deletionsLimited?.first ?? [])].find(
    event => event.sha256 === sha256,
  );
  return {
    sled_id: sled.id,
    serial: sled.serial,
    copies: isListing(sled.answer) ? (sled.answer.held.get(sha256) ?? 0) : 0,
    datasets: isListing(sled.answer) ? sled.answer.datasets : 0,
    ...(inFlight === undefined ? {} : { copy_in_flight: copyInFlightBody(inFlight) }),
    ...(failed === undefined ? {} : { copy_failed: copyFailureBody(failed) }),
    ...(deletion === undefined ? {} : { deletion: deletionBody(deletion) }),
    ...(quarantined === undefined ? {} : { quarantined: quarantinedBody(quarantined) }),
    ...(deferred === undefined ? {} : { deletion_deferred: deferredBody(deferred) }),
    ...(waiting === undefined ? {} : { deletion_waiting: waitingDeletionBody(waiting) }),
  };
};

export const artifactSummaries = (observation: Observation): ArtifactSummary[] =>
  [...observation.wanted.artifacts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([sha256, size]) => ({
      sha256,
      size_bytes: size,
      releases: observation.wanted.releases.filter(r => r.artifacts.has(sha256)).map(r => r.systemVersion),
      sleds_holding: observation.sleds.filter(
        s => isListing(s.answer) && (s.answer.held.get(sha256) ?? 0) > 0,
      ).length,
      sleds_in_service: observation.sleds.length,
    }));
