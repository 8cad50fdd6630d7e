/**
 * The witness of a run: what happens on disks and in the database goes to the checkers while it happens.
 *
 *     name changes ─┐
 *     commits ──────┼─▶ checkers ─▶ the first violation ends the run
 *     answers ──────┘
 */
import { type ArtifactHash, isArtifactHash, type UploadId } from '../../src/core/ids.ts';
import { type ArchiveChecker, createArchiveChecker } from '../checkers/archives.ts';
import { type CopyChecker, createCopyChecker } from '../checkers/copies.ts';
import { checkGeneration } from '../checkers/generations.ts';
import { createHistories, type Histories } from '../checkers/histories.ts';
import { createHoldings, type Holdings, uploadIdOf } from '../checkers/holdings.ts';
import { createLeaseChecker, hidesLeases, type LeaseChecker } from '../checkers/leases.ts';
import {
  isLedgerPath,
  ledgerOn,
  pointOfLedger,
  readableOn,
  readLedger,
  type SeenLedger,
} from '../checkers/ledgers.ts';
import { createLineageChecker, type LineageChecker } from '../checkers/lineage.ts';
import { createRemovalChecker, type RemovalChecker } from '../checkers/removals.ts';
import type { Fail, Violation } from '../checkers/violation.ts';
import type { MemoryState } from '../datastore/state.ts';
import type { DiskWatcher } from '../machine/disk.ts';
import type { Volume } from '../machine/volume.ts';
import { noteCommit, noteLine } from './landmarks.ts';
import { createLiar } from './liar.ts';
import type { Machine } from './machine.ts';
import type { LogWatch } from './process-log.ts';
import type { RunningSled } from './sled-machine.ts';
import { watchAnswers } from './watched-sled.ts';
import type { SimSled, World } from './world.ts';

export type Witness = {
  readonly logWatch: LogWatch;
  readonly violation: () => Violation | undefined;
  readonly fail: Fail;
  readonly holdings: Holdings;
  readonly copies: CopyChecker;
  readonly removals: RemovalChecker;
  readonly leases: LeaseChecker;
  readonly histories: Histories;
  readonly lineage: LineageChecker;
  /** Every state that the database was in, the oldest first. */
  readonly states: readonly MemoryState[];
  readonly onNameChange: (
    machine: Machine<unknown>,
    ...change: Parameters<DiskWatcher['onNameChange']>
  ) => void;
  /** What a sled answers is seen here, and lied about where the run says so. */
  readonly watchSled: (sled: SimSled, running: RunningSled) => RunningSled;
  /** After each event. */
  readonly look: () => void;
  readonly onPowerCut: (sled: SimSled) => void;
  readonly onSledStart: (sled: SimSled) => void;
  readonly onDatabaseRestored: () => void;
  readonly wasDatabaseRestored: () => boolean;
  /** Content that the run damaged: wrong bytes under a name are its own doing. */
  readonly damaged: WeakSet<Uint8Array>;
  /** Uploads whose archives a Nexus keeps for a person to look at, as it said, since the database went back. */
  readonly keptForPeople: ReadonlySet<string>;
};

/** What is watched over in a run, and what it has seen so far. */
type Watch = {
  readonly world: World;
  readonly fail: Fail;
  readonly holdings: Holdings;
  readonly copies: CopyChecker;
  readonly removals: RemovalChecker;
  readonly leases: LeaseChecker;
  readonly archives: ArchiveChecker;
  readonly histories: Histories;
  readonly lineage: LineageChecker;
  readonly damaged: WeakSet<Uint8Array>;
  /** Names that were set aside, by volume. */
  readonly setAside: WeakMap<Volume, Set<string>>;
  /** Uploads whose drops were committed, and not over, when the database went back. */
  readonly droppedBefore: Set<UploadId>;
};

const createWatch = (world: World, fail: Fail): Watch => {
  const histories = createHistories(world.scheduler.nowMs);
  const holdings = createHoldings(world, histories.mayBeDropped);
  return {
    histories,
    lineage: createLineageChecker({ world, histories, fail }),
    world,
    fail,
    holdings,
    copies: createCopyChecker(world, holdings, fail),
    removals: createRemovalChecker(fail),
    leases: createLeaseChecker(world.scheduler.nowMs, fail),
    archives: createArchiveChecker(world, fail),
    damaged: new WeakSet(),
    setAside: new WeakMap(),
    droppedBefore: new Set(),
  };
};

export const createWitness = (world: World): Witness => {
  let violation: Violation | undefined;
  const fail: Fail = (guarantee, message) => {
    violation ??= { guarantee, message, atMs: world.scheduler.nowMs() };
  };
  const watch = createWatch(world, fail);
  const { holdings } = watch;
  const keptForPeople = new Set<string>();
  let wasRestored = false;
  let committed = world.database.snapshot();
  const states: MemoryState[] = [];
  const witness: Witness = {
    ...watch,
    states,
    logWatch: {
      trace: world.trace,
      onBug: (actor, message) => fail('bug', `${actor}: ${message}`),
      onLine: (_actor, words, fields) => {
        noteLine(world.trace, words, fields);
        const uploadId = String(fields.upload_id);
        if (words === 'local repo created') keptForPeople.delete(uploadId);
        else if (wasRestored && KEPT_FOR_PEOPLE.has(words)) keptForPeople.add(uploadId);
      },
    },
    violation: () => violation,
    wasDatabaseRestored: () => wasRestored,
    keptForPeople,
    onNameChange: (...change) => onNameChange(watch, ...change),
    watchSled: (sled, running) => createLiar(sled, watchAnswers(witness, world, sled, running)),
    look() {
      const now = world.database.snapshot();
      if (now === committed) return;
      const before = committed;
      committed = now;
      states.push(now);
      onCommit(watch, before, now);
    },
    onDatabaseRestored() {
      const before = committed;
      committed = world.database.snapshot();
      wasRestored = true;
      states.push(committed);
      watch.histories.onRestored(before, committed);
      takeStandings(watch, committed);
      for (const uploadId of holdings.archives())
        if (!before.localRepos.has(uploadId)) watch.droppedBefore.add(uploadId);
      watch.archives.onDatabaseRestored(before, committed);
      watch.removals.onDatabaseRestored(before.stored.generation, committed.stored.generation);
      watch.copies.onHarm();
    },
    onSledStart(sled) {
      watch.removals.onStart(sled);
      // Leases that only a disk tells which is away, or the mount point below one, are not known.
      const readable = readableOn(sled);
      if (readable.some(hidesLeases) || readable.length < sled.machine.volumes.size)
        watch.leases.reread(sled, readable);
    },
    onPowerCut(sled) {
      watch.removals.onPowerCut(sled);
      for (const volume of sled.machine.volumes.values())
        for (const name of holdings.filesOn(volume).keys())
          requireRightBytes(watch, sled, volume, name, 'after a power cut');
    },
  };
  return witness;
};

const onCommit = (watch: Watch, before: MemoryState, now: MemoryState): void => {
  const { world, fail, copies, archives, histories, lineage, droppedBefore } = watch;
  if (now.sleds !== before.sleds) takeStandings(watch, now);
  // Recorded again it is held again; a row that only came back with the restore says nothing.
  for (const id of droppedBefore)
    if (now.localRepos.has(id) && !before.localRepos.has(id)) droppedBefore.delete(id);
  checkGeneration(before, now, fail);
  histories.onCommit(before, now);
  lineage.onCommit(before, now);
  copies.onCommit(before, now);
  archives.onCommit(now);
  noteCommit(world.trace, before, now);
};

/** Where a sled stands is what the database says, by whomever and whenever it was written there. */
const takeStandings = ({ world, holdings, copies }: Watch, { sleds }: MemoryState): void => {
  for (const sled of world.sleds) {
    if (sled.standing === 'gone') continue;
    const isExpunged = sleds.get(sled.plan.id)?.policy === 'expunged';
    const isNews = isExpunged && sled.standing === 'in_service';
    sled.standing = isExpunged ? 'expunged' : 'in_service';
    if (isNews) copies.onTaken(sled, holdings.heldBy(sled));
  }
};

const onNameChange = (
  watch: Watch,
  ...[machine, change, place]: Parameters<Witness['onNameChange']>
): void => {
  const { world, archives, copies } = watch;
  const sled = world.sleds.find(each => each.machine === machine);
  if (place.volume.state === 'unmounted') {
    // What it is told while its disk is away counts when the disk is back.
    if (sled !== undefined && change === 'rename' && isLedgerPath(place.path)) onRename(watch, sled, place);
    return;
  }
  if (sled === undefined) {
    if (change !== 'unlink' || !place.path.endsWith('.zip')) return;
    const uploadId = uploadIdOf(place.path);
    archives.onRemoved(uploadId, machine.name);
    copies.onArchiveGone(`${machine.name} removed ${place.path}`, watch.droppedBefore.has(uploadId));
  } else if (change === 'unlink') onUnlink(watch, sled, place);
  else if (change === 'rename') onRename(watch, sled, place);
};

const onUnlink = (
  watch: Watch,
  sled: SimSled,
  { volume, path }: Parameters<DiskWatcher['onNameChange']>[1],
): void => {
  const { world, holdings, copies, removals, leases, lineage } = watch;
  const [, , name, below] = path.split('/');
  if (name === undefined || below !== undefined) return;
  removals.onUnlink(sled, name);
  lineage.onUnlink(sled, volume, { name, read: removals.readBy(sled) });
  leases.onUnlink(sled, name);
  if (!isArtifactHash(name)) return;
  if (holdings.wanted().has(name)) world.trace.reached('a deletion ran while its artifact was wanted again');
  if (isOfAnotherHistory(watch, sled)) copies.onHarm([name]);
  else copies.onCopyGone(name, `${sled.plan.serial} unlinked it`);
};

/** A sled does what another history of the database told it, which this one does not know, or knows by a recovery alone. */
const isOfAnotherHistory = ({ world, removals }: Watch, sled: SimSled): boolean => {
  const told = removals.highest(sled);
  if (told === undefined) return false;
  const origin = world.database.snapshot().points.get(pointOfLedger(told))?.origin;
  return origin === undefined || origin === 'accepted';
};

const onRename = (
  watch: Watch,
  sled: SimSled,
  { volume, path, from }: Parameters<DiskWatcher['onNameChange']>[1],
): void => {
  const { world, copies, setAside } = watch;
  const [, , name, below] = path.split('/');
  const aside = from!.split('/')[2]!;
  if (isArtifactHash(aside)) {
    world.trace.reached('a rotten copy was quarantined');
    setAside.set(volume, new Set([...(setAside.get(volume) ?? []), aside]));
    copies.onCopyGone(aside, `${sled.plan.serial} set it aside`);
  } else if (isLedgerPath(path)) {
    const node = volume.top().now.get(name!);
    if (node?.kind === 'file') onLedger(watch, sled, volume, node.content);
    copies.onWanted();
  } else if (below === undefined && isArtifactHash(name!)) {
    if (setAside.get(volume)?.has(name) === true) world.trace.reached('a rotten copy was replaced');
    requireRightBytes(watch, sled, volume, name, 'renamed');
  }
};

const onLedger = (
  { world, removals, lineage }: Watch,
  sled: SimSled,
  volume: Volume,
  content: Uint8Array,
): void => {
  const last = removals.highest(sled);
  const next = readLedger(content);
  if (isHoldAlone(ledgerOn(volume), next)) return;
  if (next !== undefined) lineage.onLedger(sled, volume, { last, next, read: removals.readBy(sled) });
  if (last?.isHeld === true && next?.isHeld === false && last.incarnation === next.incarnation)
    world.trace.reached('deletions were held and released');
  removals.onLedger(sled, content);
};

/** In doubt a sled holds deletions in the ledger that a disk has, and takes no config by that. */
const isHoldAlone = (had: SeenLedger | undefined, next: SeenLedger | undefined): boolean =>
  next?.isHeld === true &&
  had?.isHeld === false &&
  had.incarnation === next.incarnation &&
  pointOfLedger(had) === pointOfLedger(next);

const requireRightBytes = (
  { holdings, damaged, fail }: Watch,
  sled: SimSled,
  volume: Volume,
  name: ArtifactHash,
  how: string,
): void => {
  const node = volume.medium.top.now.get(name);
  if (node?.kind !== 'file' || damaged.has(node.content)) return;
  if (holdings.hashOf(node.content) !== name)
    fail('G5', `${sled.plan.serial} has other bytes under ${name} on ${volume.path}: ${how}`);
};

const KEPT_FOR_PEOPLE: ReadonlySet<string> = new Set([
  'local repo lost by the database: to record it again is refused',
  'archive is kept but not served',
]);
