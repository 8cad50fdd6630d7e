/**
 * The witness of a run: it passes each change on disks and in the database, and each answer, to the checkers at once.
 *
 *     name changes ─┐
 *     commits ──────┼─▶ checkers ─▶ the first violation ends the run
 *     answers ──────┘
 */
import { checkGeneration } from '../checkers/generations.ts';
import { hidesLeases } from '../checkers/leases.ts';
import { readableOn } from '../checkers/ledgers.ts';
import type { TrustRules } from '../checkers/planted.ts';
import type { WaitRules } from '../checkers/waits.ts';
import type { MemoryState } from '../datastore/state.ts';
import { createLiar } from '../fleet/liar.ts';
import type { SimSled, World, WorldWatch } from '../fleet/world.ts';
import type { Fail, Violation } from '../violation.ts';
import { noteCommit, noteLine } from './landmarks.ts';
import { createWatch, type Watch } from './watch.ts';
import { onNameChange, requireRightBytes } from './watched-disks.ts';
import { watchAnswers } from './watched-sled.ts';

export type Witness = WorldWatch &
  Pick<
    Watch,
    'holdings' | 'copies' | 'removals' | 'leases' | 'waits' | 'histories' | 'lineage' | 'damaged'
  > & {
    readonly violation: () => Violation | undefined;
    /** Every state that the database was in, the oldest first. */
    readonly states: readonly MemoryState[];
    /** After each event. */
    readonly look: () => void;
    readonly onPowerCut: (sled: SimSled) => void;
    readonly onDatabaseRestored: () => void;
    readonly wasDatabaseRestored: () => boolean;
    /** Uploads whose archives a Nexus has kept, by its log, for an operator to decide on since the database was restored. */
    readonly keptForPeople: ReadonlySet<string>;
  };

export const createWitness = (world: World, rules: WaitRules & TrustRules): Witness => {
  let violation: Violation | undefined;
  const fail: Fail = (guarantee, message) => {
    violation ??= { guarantee, message, atMs: world.scheduler.nowMs() };
  };
  const watch = createWatch(world, rules, fail);
  const { holdings } = watch;
  const keptForPeople = new Set<string>();
  let wasRestored = false;
  let committed = world.database.snapshot();
  const states: MemoryState[] = [];
  return {
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
    onHeard: watch.callers.onHeard,
    onEnded: () => world.trace.reached('a running request of a revoked caller ended'),
    onNameChange: (...change) => onNameChange(watch, ...change),
    watchSled: (sled, running) => createLiar(sled, watchAnswers(watch, sled, running)),
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
      takeDeleted(watch, before, committed);
    },
    onSledStart(sled) {
      watch.removals.onStart(sled);
      // The sled does not know leases that are only on an absent disk, or only in the mount point below a disk.
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
};

const onCommit = (watch: Watch, before: MemoryState, now: MemoryState): void => {
  const { world, fail, copies, archives, histories, lineage, droppedBefore } = watch;
  if (now.sleds !== before.sleds || now.sledKeys !== before.sledKeys) takeStandings(watch, now);
  // An archive that is recorded again is held again; a row that a restore brought back proves nothing.
  for (const id of droppedBefore)
    if (now.localRepos.has(id) && !before.localRepos.has(id)) droppedBefore.delete(id);
  checkGeneration(before, now, fail);
  histories.onCommit(before, now);
  lineage.onCommit(before, now);
  copies.onCommit(before, now);
  archives.onCommit(now);
  noteCommit(world.trace, before, now);
};

/**
 * A deletion that the database has lost was acknowledged, and sleds that followed it have deleted: a Nexus that counted them before
 * may finish its drop, since the database is at the point of its round again. The release is then failed, as operators know.
 */
const takeDeleted = ({ world, copies }: Watch, before: MemoryState, after: MemoryState): void => {
  for (const [repoId, { repo, hashes }] of after.releases) {
    const wasDeleted = (before.releases.get(repoId)?.repo.timePrunedMs ?? null) !== null;
    if (repo.timePrunedMs === null && wasDeleted)
      for (const sled of world.sleds) copies.onTaken(sled, hashes);
  }
};

/** The database has the policy of each sled, whichever request wrote it. */
const takeStandings = ({ world, holdings, copies }: Watch, { sleds, sledKeys }: MemoryState): void => {
  const keys = [...sledKeys.values()];
  for (const sled of world.sleds) {
    if (sled.standing === 'gone') continue;
    const { id } = sled.plan;
    const joined = keys.find(({ sledId, timeReplacedMs }) => sledId === id && timeReplacedMs === null);
    // One that joined may be expunged before it has registered.
    const isExpunged =
      sleds.get(id)?.policy === 'expunged' || (!sleds.has(id) && (joined?.timeExpungedMs ?? null) !== null);
    const isNews = isExpunged && sled.standing === 'in_service';
    sled.standing = isExpunged ? 'expunged' : 'in_service';
    if (isNews) copies.onTaken(sled, holdings.heldBy(sled));
  }
};

const KEPT_FOR_PEOPLE: ReadonlySet<string> = new Set([
  'local repo lost by the database: to record it again is refused',
  'archive is kept but not served',
]);
