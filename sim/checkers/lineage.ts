/**
 * P13, at each write of a ledger, each removal of a kept config and each point that a recovery accepts: a database of another
 * history makes no sled lose an artifact of its config.
 *
 * - A sled adopts a config without an artifact of its own one only if an operator deleted it in the history of the new config,
 *   or gave it up by name.
 * - A dataset keeps a config that the database does not know, unless its sled has moved on from it.
 * - A sled that has refused a config deletes nothing until it is offered its own again, or adopts a successor.
 * - A kept config, and the artifacts that it lists, stay until the database knows its point.
 * - A recovery accepts a point only if each artifact of its wanted set is wanted, was deleted, or is given up by name.
 *
 * A sled whose config came from a Nexus without lineage is judged by numbers. A Nexus with lineage sends a config to a sled
 * that does not compare points only if the database knows the sled's config, or the sled is in doubt.
 */
import { type ArtifactHash, isArtifactHash, pointText } from '../../src/core/ids.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Volume } from '../machine/volume.ts';
import type { Fail } from '../violation.ts';
import type { Histories, PointName } from './histories.ts';
import { keptOn, ledgerOn, pointOfLedger, readableOn, type SeenLedger } from './ledgers.ts';

export type Change = {
  /** Its ledger before this one. */
  readonly last: SeenLedger | undefined;
  readonly next: SeenLedger;
  /** The disks that its process knows. */
  readonly read: readonly Volume[];
};

type Unlinked = {
  readonly name: string;
  /** The disks that its process knows; a config kept on another disk does not concern it. */
  readonly read: readonly Volume[];
};

export type LineageChecker = {
  readonly onLedger: (sled: SimSled, volume: Volume, change: Change) => void;
  /** A Nexus that was taken over offers it a config of this point. */
  readonly onHostileOffer: (sled: SimSled, point: PointName) => void;
  /** It refused a config, and has answered. */
  readonly onRefused: (sled: SimSled, held: Refused) => void;
  readonly onUnlink: (sled: SimSled, volume: Volume, unlinked: Unlinked) => void;
  readonly onCommit: (before: MemoryState, after: MemoryState) => void;
  /** Artifacts that operators gave up by name, in recoveries. */
  readonly givenUp: Set<ArtifactHash>;
};

type Refused = {
  /** Of the config that it holds. */
  readonly point: PointName;
  /** Whether its disks must show the hold by now. */
  readonly isSure: boolean;
  /** In doubt, any of its ledgers may be the one with the hold. */
  readonly isInDoubt: boolean;
};

type Watch = {
  readonly world: World;
  readonly histories: Histories;
  readonly fail: Fail;
  readonly givenUp: Set<ArtifactHash>;
  /** Sleds that refused a config, and have written no ledger without a hold since. */
  readonly holding: WeakSet<SimSled>;
  /** The points that each of them has moved on from, as far as its process knew. */
  readonly past: WeakMap<SimSled, Set<PointName>>;
  /** A made-up predecessor is believed; what is lost by it waits for its deletion (T4). The point may be one of a history. */
  readonly offered: WeakMap<SimSled, Set<PointName>>;
};

export const createLineageChecker = (deps: Pick<Watch, 'world' | 'histories' | 'fail'>): LineageChecker => {
  const givenUp = new Set<ArtifactHash>();
  const watch: Watch = {
    ...deps,
    givenUp,
    holding: new WeakSet(),
    past: new WeakMap(),
    offered: new WeakMap(),
  };
  return {
    givenUp,
    onLedger(sled, volume, change) {
      const { last, next } = change;
      if (!next.isHeld) watch.holding.delete(sled);
      if (last !== undefined && !isSame(last, next)) requireNothingLost(watch, sled, last, change);
      // A write into the mount point of an absent disk does not change the disk.
      if (volume.state !== 'unmounted') requireHeadKept(watch, sled, volume, next);
    },
    onHostileOffer(sled, point) {
      watch.offered.set(sled, (watch.offered.get(sled) ?? new Set()).add(point));
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

/** Now, or by the last answer that reached the sled: the database may have been restored since. */
const isKnown = ({ world }: Watch, { verdicts }: SimSled, point: PointName): boolean =>
  world.database.snapshot().points.has(point) || verdicts.get(point) === true;

const isJudgedByNumbers = (watch: Watch, sled: SimSled, from: SeenLedger, to: SeenLedger): boolean => {
  const { world } = watch;
  // A Nexus that compares points reads the config of such a sled, and offers only a successor of it.
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

/** The sled's config, if a readable disk has it, or if the ledger names it as the one that was replaced. */
const requireNothingLost = (watch: Watch, sled: SimSled, last: SeenLedger, { next, read }: Change): void => {
  const isTold = next.previous === pointOfLedger(last) || read.some(volume => isSame(ledgerOn(volume), last));
  if (isTold) pastOf(watch, sled).add(pointOfLedger(last));
  if (!isTold || last.incarnation !== next.incarnation || isJudgedByNumbers(watch, sled, last, next)) return;
  if (watch.offered.get(sled)?.has(pointOfLedger(next)) === true) return;
  const sha256 = lost(watch, last, next);
  if (sha256 === undefined || read.some(volume => isKeptFor(volume, last))) return;
  // Another head replaces one that the database knows, and holds every deletion (KN4). An agent that compares no points takes
  // the newest of its ledgers, without asking the database.
  const isOtherHead = readableOn(sled).some(volume => isSame(ledgerOn(volume), next));
  const isHeldAndKnown = next.isHeld && isKnown(watch, sled, pointOfLedger(last));
  if (isOtherHead && (isHeldAndKnown || sled.agent !== 'current')) return;
  watch.fail(
    'G2',
    `${sled.plan.serial} replaced generation ${last.generation} by ${next.generation}, and loses ${sha256}, which no operator deleted or gave up`,
  );
};

/** The config that this dataset had. */
const requireHeadKept = (watch: Watch, sled: SimSled, volume: Volume, next: SeenLedger): void => {
  const old = ledgerOn(volume);
  // An agent that compares no points takes the newest of its ledgers, without asking the database.
  if (old === undefined || isSame(old, next) || sled.agent !== 'current') return;
  if (isJudgedByNumbers(watch, sled, old, next)) return;
  const past = pastOf(watch, sled);
  // The loss was judged when the sled moved on.
  if (past.has(pointOfLedger(old))) return;
  past.add(pointOfLedger(old));
  const sha256 = [...old.artifacts].find(hash => !next.artifacts.has(hash));
  if (sha256 === undefined || isKeptFor(volume, old) || isKnown(watch, sled, pointOfLedger(old))) return;
  watch.fail(
    'G2',
    `${sled.plan.serial} wrote generation ${next.generation} over ${old.generation} on ${volume.path}, and loses ${sha256}, which no operator deleted or gave up`,
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
  fail(
    'G2',
    `${sled.plan.serial} ${what} the kept config of ${kept.point}, on which no recovery has decided`,
  );
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
