/**
 * P13, at each ledger that is written, each file of a kept config that goes and each point that a recovery accepts:
 * nothing that a sled was told to hold is lost to a database of another history.
 *
 * - A sled adopts what takes nothing from its config but what an operator deleted in the history of the new one, or gave
 *   up by name.
 * - A dataset with a config that the database does not know, and that its sled has not moved on from, keeps it.
 * - A sled that has refused a config deletes nothing until it is offered its own again, or adopts a successor.
 * - What a kept config lists stays, and so does its file, until the database knows its point.
 * - A recovery accepts a point only if all that was wanted at it is wanted, was deleted, or is given up by name.
 *
 * A sled that was told its config by a Nexus that knows nothing of lineage is judged by numbers. One that does not compare
 * points gets no config from a Nexus that does, unless the database knows the one that it has or the sled is in doubt.
 */
import { type ArtifactHash, isArtifactHash, pointText } from '../../src/core/ids.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Volume } from '../machine/volume.ts';
import type { Fail } from '../violation.ts';
import type { Histories, PointName } from './histories.ts';
import { keptOn, ledgerOn, pointOfLedger, readableOn, type SeenLedger } from './ledgers.ts';

export type Change = {
  /** What it wrote before. */
  readonly last: SeenLedger | undefined;
  readonly next: SeenLedger;
  /** The disks that its process knows. */
  readonly read: readonly Volume[];
};

export type Unlinked = {
  readonly name: string;
  /** The disks that its process knows: what is kept on another one it cannot go by. */
  readonly read: readonly Volume[];
};

export type LineageChecker = {
  readonly onLedger: (sled: SimSled, volume: Volume, change: Change) => void;
  /** It refused a config, and answered so. */
  readonly onRefused: (sled: SimSled, held: Refused) => void;
  readonly onUnlink: (sled: SimSled, volume: Volume, unlinked: Unlinked) => void;
  readonly onCommit: (before: MemoryState, after: MemoryState) => void;
  /** What operators gave up by name, in recoveries. */
  readonly givenUp: Set<ArtifactHash>;
};

export type Refused = {
  /** Of the config that it holds. */
  readonly point: PointName;
  /** Whether its disks must show the hold by now. */
  readonly isSure: boolean;
  /** Then another one of its ledgers may be the one that shows it. */
  readonly isInDoubt: boolean;
};

type Watch = {
  readonly world: World;
  readonly histories: Histories;
  readonly fail: Fail;
  readonly givenUp: Set<ArtifactHash>;
  /** Those that refused a config and wrote no ledger without a hold since. */
  readonly holding: WeakSet<SimSled>;
  /** The points that each of them has moved on from, as far as its process knew. */
  readonly past: WeakMap<SimSled, Set<PointName>>;
};

export const createLineageChecker = (deps: Pick<Watch, 'world' | 'histories' | 'fail'>): LineageChecker => {
  const givenUp = new Set<ArtifactHash>();
  const watch: Watch = { ...deps, givenUp, holding: new WeakSet(), past: new WeakMap() };
  return {
    givenUp,
    onLedger(sled, volume, change) {
      const { last, next } = change;
      if (!next.isHeld) watch.holding.delete(sled);
      if (last !== undefined && !isSame(last, next)) requireNothingLost(watch, sled, last, change);
      // What is written into the mount point of a disk that is away is not written over what the disk has.
      if (volume.state !== 'unmounted') requireHeadKept(watch, sled, volume, next);
    },
    onRefused: (sled, held) => requireHold(watch, sled, held),
    onUnlink: (sled, volume, unlinked) => requireFree(watch, sled, volume, unlinked),
    onCommit(before, after) {
      if (after.points === before.points) return;
      for (const [name, { origin }] of after.points)
        if (origin === 'accepted' && !before.points.has(name)) requireDecided(watch, after, name);
    },
  };
};

const lost = ({ histories }: Watch, from: SeenLedger, to: SeenLedger): ArtifactHash | undefined => {
  const [old, next] = [pointOfLedger(from), pointOfLedger(to)];
  return [...from.artifacts]
    .filter(isArtifactHash)
    .find(sha256 => !to.artifacts.has(sha256) && !histories.mayLose(old, next, sha256));
};

const pastOf = ({ past }: Watch, sled: SimSled): Set<PointName> => {
  const points = past.get(sled) ?? new Set();
  past.set(sled, points);
  return points;
};

/** Now, or by the last answer that reached the sled: the database may have gone back since. */
const isKnown = ({ world }: Watch, { verdicts }: SimSled, point: PointName): boolean =>
  world.database.snapshot().points.has(point) || verdicts.get(point) === true;

const isJudgedByNumbers = (watch: Watch, sled: SimSled, from: SeenLedger, to: SeenLedger): boolean => {
  const { world } = watch;
  // A Nexus that compares points reads what such a sled has, and offers what succeeds that.
  if (sled.agent !== 'current')
    return (
      sled.isInDoubt ||
      world.wasNexusOlder() ||
      watch.histories.isKnown(world.database.snapshot(), pointOfLedger(from))
    );
  const { points } = world.database.snapshot();
  const first = [...points.values()].find(({ origin }) => origin === 'first')!.generation;
  return !to.hasLineage || (!from.hasLineage && from.generation < first);
};

/** The config that it goes by, as long as a disk that it can read tells it, or as it says that it went by until now. */
const requireNothingLost = (watch: Watch, sled: SimSled, last: SeenLedger, { next, read }: Change): void => {
  const isTold = next.previous === pointOfLedger(last) || read.some(volume => isSame(ledgerOn(volume), last));
  if (isTold) pastOf(watch, sled).add(pointOfLedger(last));
  if (!isTold || last.incarnation !== next.incarnation || isJudgedByNumbers(watch, sled, last, next)) return;
  const sha256 = lost(watch, last, next);
  if (sha256 === undefined || read.some(volume => isKeptFor(volume, last))) return;
  // Another head takes the place of one that the database knows, and holds every deletion (KN4). An agent that compares no
  // points takes the newest of its ledgers, and nobody is asked.
  const isOtherHead = readableOn(sled).some(volume => isSame(ledgerOn(volume), next));
  const isHeldAndKnown = next.isHeld && isKnown(watch, sled, pointOfLedger(last));
  if (isOtherHead && (isHeldAndKnown || sled.agent !== 'current')) return;
  watch.fail(
    'G2',
    `${sled.plan.serial} took generation ${next.generation} for ${last.generation}, and loses ${sha256}, which nobody deleted or gave up`,
  );
};

/** The config that this dataset had. */
const requireHeadKept = (watch: Watch, sled: SimSled, volume: Volume, next: SeenLedger): void => {
  const old = ledgerOn(volume);
  // An agent that compares no points takes the newest of its ledgers, and nobody is asked.
  if (old === undefined || isSame(old, next) || sled.agent !== 'current') return;
  if (isJudgedByNumbers(watch, sled, old, next)) return;
  const past = pastOf(watch, sled);
  // What it may lose was judged when it moved on.
  if (past.has(pointOfLedger(old))) return;
  past.add(pointOfLedger(old));
  const sha256 = [...old.artifacts].find(hash => !next.artifacts.has(hash));
  if (sha256 === undefined || isKeptFor(volume, old) || isKnown(watch, sled, pointOfLedger(old))) return;
  watch.fail(
    'G2',
    `${sled.plan.serial} wrote generation ${next.generation} over ${old.generation} on ${volume.path}, and loses ${sha256}, which nobody deleted or gave up`,
  );
};

const requireHold = (
  { holding, fail }: Watch,
  sled: SimSled,
  { point, isSure, isInDoubt }: Refused,
): void => {
  if (sled.agent !== 'current') return;
  holding.add(sled);
  const ledgers = [...sled.machine.volumes.values()].flatMap(volume => ledgerOn(volume) ?? []);
  const shows = (each: SeenLedger): boolean => each.isHeld && (isInDoubt || pointOfLedger(each) === point);
  if (isSure && !ledgers.some(shows))
    fail('G2', `${sled.plan.serial} refused a config, and does not hold its deletions durably`);
};

const requireFree = (watch: Watch, sled: SimSled, volume: Volume, { name, read }: Unlinked): void => {
  const { holding, fail } = watch;
  if (holding.has(sled) && isArtifactHash(name))
    fail('G2', `${sled.plan.serial} unlinked ${name} after it had refused a config`);
  const file = keptOn(volume).find(each => each.name === name);
  const kept = file ?? read.flatMap(keptOn).find(each => each.artifacts.has(name));
  if (kept === undefined || sled.agent !== 'current') return;
  if (isKnown(watch, sled, kept.point)) return;
  const what = file === undefined ? `unlinked ${name}, which is listed by` : 'removed';
  fail('G2', `${sled.plan.serial} ${what} the kept config of ${kept.point}, on which nobody decided`);
};

const requireDecided = (
  { world, histories, givenUp, fail }: Watch,
  state: MemoryState,
  name: string,
): void => {
  world.trace.reached('a recovery accepted a point');
  const here = pointText(state.stored);
  const wanted = histories.wantedAt(here);
  for (const sha256 of histories.wantedAt(name) ?? [])
    if (wanted?.has(sha256) === false && !givenUp.has(sha256) && !histories.wasDeleted(here, sha256))
      fail('G2', `a recovery accepted ${name}, and ${sha256} of it is not wanted, nor given up by name`);
};

const isSame = (one: SeenLedger | undefined, other: SeenLedger): boolean =>
  one !== undefined && pointOfLedger(one) === pointOfLedger(other);

const isKeptFor = (volume: Volume, config: SeenLedger): boolean =>
  keptOn(volume).some(({ point }) => point === pointOfLedger(config));
