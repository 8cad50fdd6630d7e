/** The checkers of a run, and what they share. */
import type { UploadId } from '../../src/core/ids.ts';
import { type AcceptanceChecker, createAcceptanceChecker } from '../checkers/acceptances.ts';
import { type ArchiveChecker, createArchiveChecker } from '../checkers/archives.ts';
import { type ArrivingChecker, createArrivingChecker } from '../checkers/arriving.ts';
import { type CallerChecker, createCallerChecker } from '../checkers/callers.ts';
import { type CopyChecker, createCopyChecker } from '../checkers/copies.ts';
import { createHistories, type Histories } from '../checkers/histories.ts';
import { createHoldings, type Holdings } from '../checkers/holdings.ts';
import { createLeaseChecker, type LeaseChecker } from '../checkers/leases.ts';
import { createLineageChecker, type LineageChecker } from '../checkers/lineage.ts';
import { createPlantedChecker, type PlantedChecker, type TrustRules } from '../checkers/planted.ts';
import { createRemovalChecker, type RemovalChecker } from '../checkers/removals.ts';
import { createWaitChecker, type WaitChecker, type WaitRules } from '../checkers/waits.ts';
import type { World } from '../fleet/world.ts';
import type { Volume } from '../machine/volume.ts';
import type { Fail } from '../violation.ts';

export type Watch = {
  readonly world: World;
  readonly fail: Fail;
  readonly holdings: Holdings;
  readonly callers: CallerChecker;
  readonly planted: PlantedChecker;
  readonly acceptances: AcceptanceChecker;
  readonly copies: CopyChecker;
  readonly removals: RemovalChecker;
  readonly leases: LeaseChecker;
  readonly waits: WaitChecker;
  readonly archives: ArchiveChecker;
  readonly arriving: ArrivingChecker;
  readonly histories: Histories;
  readonly lineage: LineageChecker;
  /** Content that a fault of the run damaged: wrong bytes under its name are no violation. */
  readonly damaged: WeakSet<Uint8Array>;
  /** Names of quarantined copies, by volume. */
  readonly quarantined: WeakMap<Volume, Set<string>>;
  /** Uploads whose drop was committed, with the archive not yet removed, when the database was restored. */
  readonly droppedBefore: Set<UploadId>;
};

export const createWatch = (world: World, rules: WaitRules & TrustRules, fail: Fail): Watch => {
  const histories = createHistories(world.scheduler.nowMs);
  const holdings = createHoldings(world, histories.mayBeDropped);
  return {
    histories,
    lineage: createLineageChecker({ world, histories, fail }),
    world,
    fail,
    holdings,
    callers: createCallerChecker(world, fail),
    planted: createPlantedChecker(world, rules, fail),
    acceptances: createAcceptanceChecker(world, fail),
    copies: createCopyChecker(world, holdings, fail),
    removals: createRemovalChecker(fail),
    leases: createLeaseChecker(world.scheduler.nowMs, fail),
    waits: createWaitChecker({ nowMs: world.scheduler.nowMs, admin: world.admin, rules, holdings, fail }),
    archives: createArchiveChecker(world, fail),
    arriving: createArrivingChecker(world, holdings, fail),
    damaged: new WeakSet(),
    quarantined: new WeakMap(),
    droppedBefore: new Set(),
  };
};
