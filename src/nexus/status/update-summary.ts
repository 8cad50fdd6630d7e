/** What the update endpoints say of replication. */
import { compare } from 'semver';
import { worst } from '../../core/health.ts';
import type { SystemVersion } from '../../core/ids.ts';
import { isListing } from '../../core/inventory.ts';
import type { ReleaseProgress } from '../releases/target-release.ts';
import type { Observation } from '../replication/observation.ts';

/** How many silent sleds a message names. */
const MAX_NAMED = 10;

/** B17: complete on every sled that answers; the others are named. */
export const targetProgress = (
  observation: Observation | undefined,
  version: SystemVersion,
): ReleaseProgress | undefined => {
  const release = observation?.releases.find(candidate => candidate.progress.systemVersion === version);
  if (observation === undefined || release === undefined) return undefined;
  const { progress } = release;
  const answering = progress.sleds.filter(sled => sled.answered);
  const silent = observation.sleds.filter(sled => !isListing(sled.answer)).map(sled => sled.serial);
  const named = silent.slice(0, MAX_NAMED).join(', ') + (silent.length > MAX_NAMED ? ', …' : '');
  const others = silent.length === 0 ? '' : `; ${silent.length} do not answer: ${named}`;
  const whole = answering.filter(sled => sled.artifactsHeldFully === sled.artifactsWanted).length;
  return {
    complete: answering.length > 0 && whole === answering.length,
    message: `${whole} of ${answering.length} sleds that answer hold all of it, ${progress.copiesHeld} of ${progress.copiesWanted} copies${others}`,
  };
};

/** What the update status says about replication. */
export type ReplicationSummary = {
  /** Sleds by the release that they run if they say so, else by the newest that they hold whole, or `unknown`. */
  readonly componentsByReleaseVersion: Readonly<Record<string, number>>;
  /** Of the sleds that answer. */
  readonly componentsCountedBy: 'held' | 'running' | 'running_or_held';
  /** The last activation that planned work; when this Nexus started, before the first. */
  readonly timeLastStepPlannedMs: number;
  readonly suspended: boolean;
  readonly contactSupport: boolean;
};

export const replicationSummary = (
  observation: Observation | undefined,
  facts: { readonly timeLastPlannedMs: number; readonly suspended: boolean },
): ReplicationSummary => {
  const components: Record<string, number> = {};
  const answering = { saying: 0, all: 0 };
  for (const { id, answer, report } of observation?.sleds ?? []) {
    const running = isListing(answer) ? report?.runningVersion : undefined;
    answering.all += isListing(answer) ? 1 : 0;
    answering.saying += running === undefined ? 0 : 1;
    const held = observation === undefined ? undefined : newestWhole(observation, id);
    const version = running ?? held ?? 'unknown';
    components[version] = (components[version] ?? 0) + 1;
  }
  const reasons = observation?.releases.flatMap(release => release.reasons) ?? [];
  return {
    componentsByReleaseVersion: components,
    componentsCountedBy:
      answering.saying === 0 ? 'held' : answering.saying === answering.all ? 'running' : 'running_or_held',
    timeLastStepPlannedMs: facts.timeLastPlannedMs,
    suspended: facts.suspended,
    contactSupport: worst(reasons) === 'failed',
  };
};

const newestWhole = (observation: Observation, sledId: string): SystemVersion | undefined =>
  observation.releases
    .filter(({ progress }) => {
      const sled = progress.sleds.find(candidate => candidate.sledId === sledId);
      return sled?.answered === true && sled.artifactsHeld === sled.artifactsWanted;
    })
    .map(({ progress }) => progress.systemVersion)
    .sort(compare)
    .at(-1);
