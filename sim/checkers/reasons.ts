/**
 * Everything that makes no progress has a reason, and the reason is true.
 *
 * - P8: a release is not called failed for long while sleds that are in service, even silent ones, and archives that
 *   the database lists have all of it.
 * - P7, P13: the status names a sled that has, or keeps, a config which the database does not know.
 * - G8: a sled that stays down is named, or counted where a code has more reasons than are named (NR2); at rest no release is called
 *   failed or blocked.
 */
import type { FleetStatus } from '../../src/api/operator-fleet-api.ts';
import type { SimRelease } from '../fleet/releases.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';
import type { Holdings } from './holdings.ts';
import { keptOn, newestLedgerOn, pointOfLedger } from './ledgers.ts';

/** Rounds are a minute apart. A status may be as old as the last but one, and a back-off delays a sled that long. */
const KNOWN_WITHIN_MS = 8 * 60_000;

type Deps = {
  readonly world: World;
  readonly holdings: Holdings;
  readonly releases: readonly SimRelease[];
  readonly broken: ReadonlySet<SimSled>;
  readonly fail: Fail;
};

export type ReasonChecker = {
  /** While the fleet comes to rest. */
  readonly onStatus: (status: FleetStatus) => void;
  readonly onStatusAtRest: (nexus: string, status: FleetStatus, fleet: { readonly hasRoom: boolean }) => void;
};

export const createReasonChecker = ({ world, holdings, releases, broken, fail }: Deps): ReasonChecker => {
  const since = new Map<string, number>();
  /** Whether this has been so at every status for too long. */
  const lasts = (what: string, isSo: boolean): boolean => {
    const nowMs = world.scheduler.nowMs();
    if (!isSo) since.delete(what);
    else if (!since.has(what)) since.set(what, nowMs);
    return isSo && nowMs - since.get(what)! > KNOWN_WITHIN_MS;
  };
  const inService = () => world.sleds.filter(({ standing }) => standing === 'in_service');
  const isHeld = (version: string): boolean => {
    const hashes = releases.find(({ systemVersion }) => systemVersion === version)?.artifacts.keys() ?? [];
    const rows = [...world.database.snapshot().localRepos.values()];
    return [...hashes].every(
      sha256 =>
        inService().some(sled => holdings.copiesOn(sled, sha256) > 0) ||
        rows.some(({ nexusId }) => holdings.isStagedIn(nexusId, sha256)),
    );
  };
  const isNamed = ({ reasons }: FleetStatus, { plan }: SimSled): boolean =>
    reasons.some(({ sled_id }) => sled_id === plan.id);
  /** Reasons that are counted, and not named. */
  const notNamed = ({ reasons, reason_totals = [] }: FleetStatus): number =>
    reason_totals.reduce((sum, { total }) => sum + total, 0) - reasons.length;
  const isDiverged = (sled: SimSled): boolean => {
    const { points, stored, sleds } = world.database.snapshot();
    if (!sleds.has(sled.plan.id)) return false; // It stays down, and the database has lost its registration.
    const told = newestLedgerOn(sled);
    // Below the first recorded point, the claim of a sled without lineage counts as known.
    const isOlder = told?.hasLineage === false && told.generation < stored.generation;
    const isUnknown = told !== undefined && !isOlder && !points.has(pointOfLedger(told));
    return (
      isUnknown || [...sled.machine.volumes.values()].flatMap(keptOn).some(({ point }) => !points.has(point))
    );
  };

  return {
    onStatus(status) {
      for (const { system_version, state } of status.releases)
        if (lasts(`failed ${system_version}`, state === 'failed' && isHeld(system_version)))
          fail('reasons', `${system_version} is called failed, and sleds and Nexuses have all of it`);
      for (const sled of inService())
        if (
          lasts(
            `diverged ${sled.plan.serial}`,
            isDiverged(sled) && !isNamed(status, sled) && notNamed(status) === 0,
          )
        )
          fail(
            'reasons',
            `${sled.plan.serial} holds what the database does not know, and the status does not name it`,
          );
    },
    onStatusAtRest(nexus, status, { hasRoom }) {
      for (const { system_version, state } of hasRoom ? status.releases : [])
        if (state === 'failed' || state === 'blocked')
          fail('reasons', `${nexus} calls ${system_version} ${state} in a fleet at rest`);
      // A sled that was being expunged when it was chosen does not belong to the fleet any more.
      const known = world.database.snapshot().sleds;
      const missing = inService().filter(
        each => broken.has(each) && known.has(each.plan.id) && !isNamed(status, each),
      );
      const [sled] = missing;
      if (sled !== undefined && missing.length > notNamed(status))
        fail('G8', `${sled.plan.serial} stays down, and the status of ${nexus} does not name it`);
    },
  };
};
