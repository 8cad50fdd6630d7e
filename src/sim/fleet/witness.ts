/**
 * The witness of a run: what happens on disks and in the database goes to the checkers while it happens.
 *
 *     name changes ─┐
 *     commits ──────┼─▶ checkers ─▶ the first violation ends the run
 *     answers ──────┘
 */
import { type ArtifactHash, isArtifactHash } from '../../core/ids.ts';
import { type CopyChecker, createCopyChecker } from '../checkers/copies.ts';
import { createHoldings, type Holdings } from '../checkers/holdings.ts';
import { createLeaseChecker, type LeaseChecker } from '../checkers/leases.ts';
import { isLedgerPath } from '../checkers/ledgers.ts';
import { createRemovalChecker, type RemovalChecker } from '../checkers/removals.ts';
import type { Fail, Violation } from '../checkers/violation.ts';
import type { DiskWatcher } from '../machine/disk.ts';
import type { Volume } from '../machine/volume.ts';
import { createLiar } from './liar.ts';
import type { Machine } from './machine.ts';
import type { LogWatch } from './process-log.ts';
import type { RunningSled } from './sled-machine.ts';
import type { SimSled, World } from './world.ts';

export type Witness = {
  readonly logWatch: LogWatch;
  readonly violation: () => Violation | undefined;
  readonly fail: Fail;
  readonly holdings: Holdings;
  readonly copies: CopyChecker;
  readonly removals: RemovalChecker;
  readonly leases: LeaseChecker;
  readonly onNameChange: (
    machine: Machine<unknown>,
    ...change: Parameters<DiskWatcher['onNameChange']>
  ) => void;
  /** What a sled answers is seen here, and lied about where the run says so. */
  readonly watchSled: (sled: SimSled, running: RunningSled) => RunningSled;
  /** After each event. */
  readonly look: () => void;
  readonly onPowerCut: (sled: SimSled) => void;
  readonly onDatabaseRestored: () => void;
  /** Content that the run damaged: wrong bytes under a name are its own doing. */
  readonly damaged: WeakSet<Uint8Array>;
  /** Uploads whose archives a Nexus keeps for a person to look at, as it said. */
  readonly keptForPeople: ReadonlySet<string>;
};

export const createWitness = (world: World): Witness => {
  let violation: Violation | undefined;
  const fail: Fail = (guarantee, message) => {
    violation ??= { guarantee, message, atMs: world.scheduler.nowMs() };
  };
  const holdings = createHoldings(world);
  const copies = createCopyChecker(world, holdings, fail);
  const removals = createRemovalChecker(fail);
  const leases = createLeaseChecker(world.scheduler.nowMs, fail);
  const damaged = new WeakSet<Uint8Array>();
  const keptForPeople = new Set<string>();
  let committed = world.database.snapshot();

  const requireRightBytes = (sled: SimSled, volume: Volume, name: ArtifactHash, how: string): void => {
    const node = volume.medium.top.now.get(name);
    if (node?.kind !== 'file' || damaged.has(node.content)) return;
    if (holdings.hashOf(node.content) !== name)
      fail('G5', `${sled.plan.serial} has other bytes under ${name} on ${volume.path}: ${how}`);
  };

  const onSledNames: Witness['onNameChange'] = (machine, change, { volume, path, from }) => {
    const sled = world.sleds.find(each => each.machine === machine)!;
    const [, , name, below] = path.split('/');
    if (change === 'unlink' && below === undefined) {
      removals.onUnlink(sled, name!);
      leases.onUnlink(sled, name!);
      if (isArtifactHash(name!)) {
        // A sled ahead of a database that went back does what it was told before.
        const isAhead =
          (removals.highest(sled)?.generation ?? 0) > world.database.snapshot().stored.generation;
        if (isAhead) copies.onHarm();
        else copies.onCopyGone(name, `${sled.plan.serial} unlinked it`);
      }
      return;
    }
    if (change !== 'rename') return;
    const aside = from!.split('/')[2]!;
    if (isArtifactHash(aside)) {
      world.trace.reached('a rotten copy was quarantined');
      copies.onCopyGone(aside, `${sled.plan.serial} set it aside`);
    } else if (isLedgerPath(path)) {
      const node = volume.medium.top.now.get(name!);
      if (node?.kind === 'file') removals.onLedger(sled, node.content);
    } else if (below === undefined && isArtifactHash(name!)) requireRightBytes(sled, volume, name, 'renamed');
  };

  const witness: Witness = {
    logWatch: {
      trace: world.trace,
      onBug: (actor, message) => fail('bug', `${actor}: ${message}`),
      onLine: (_actor, words, fields) => {
        noteLine(world, words);
        if (isKeptForPeople(words)) keptForPeople.add(String(fields.upload_id));
      },
    },
    violation: () => violation,
    fail,
    holdings,
    copies,
    removals,
    leases,
    damaged,
    keptForPeople,
    onNameChange(machine, change, place) {
      if (place.volume.state === 'unmounted') return;
      if (world.sleds.some(each => each.machine === machine)) onSledNames(machine, change, place);
      else if (change === 'unlink' && place.path.endsWith('.zip'))
        for (const sha256 of holdings.wanted().keys())
          copies.onCopyGone(sha256, `${machine.name} removed ${place.path}`);
    },
    watchSled: (sled, running) => createLiar(sled, watchAnswers(witness, world, sled, running)),
    look() {
      const now = world.database.snapshot();
      if (now === committed) return;
      copies.onCommit(committed, now);
      committed = now;
    },
    onDatabaseRestored() {
      committed = world.database.snapshot();
      removals.onDatabaseRestored(committed.stored.generation);
      copies.onHarm();
    },
    onPowerCut(sled) {
      for (const volume of sled.machine.volumes.values())
        for (const name of holdings.filesOn(volume).keys())
          requireRightBytes(sled, volume, name, 'after a power cut');
    },
  };
  return witness;
};

/** An acknowledged put is durable (G4); the generation of a list never falls (G6). */
const watchAnswers = (
  witness: Witness,
  { trace }: World,
  sled: SimSled,
  running: RunningSled,
): RunningSled => ({
  ...running,
  agent: {
    ...running.agent,
    async artifactPut(request) {
      const answer = await running.agent.artifactPut(request);
      const { sha256 } = request.params;
      const isWanted = witness.removals.highest(sled)?.artifacts.has(sha256) === true;
      // What was written into the mount point of a disk that is away is durable where nobody looks here.
      const isWatched = [...sled.machine.volumes.values()].every(({ state }) => state !== 'unmounted');
      if (isWanted && isWatched && witness.holdings.copiesOn(sled, sha256) < answer.successful_writes)
        witness.fail(
          'G4',
          `${sled.plan.serial} acknowledged a put of ${sha256} on ${answer.successful_writes} datasets, and has it durably on ${witness.holdings.copiesOn(sled, sha256)}`,
        );
      return answer;
    },
    async artifactList(request) {
      const asked = witness.removals.reported(sled);
      const answer = await running.agent.artifactList(request);
      const { incarnation_id: incarnation, generation } = answer;
      witness.removals.onListed(sled, asked, { incarnation, generation });
      if ((answer.deletions_deferred ?? []).length > 0) trace.reached('a deletion was deferred by a lease');
      requireRightLengths(witness, sled, answer.list);
      return answer;
    },
  },
});

/** A file that was cut short is not held, whatever its name says (P10). */
const requireRightLengths = (
  witness: Witness,
  sled: SimSled,
  list: Readonly<Record<string, number>>,
): void => {
  const wanted = witness.holdings.wanted();
  const volumes = [...sled.machine.volumes.values()];
  for (const [name, copies] of Object.entries(list)) {
    const lengths = volumes.map(volume => lengthOn(volume, name)).filter(length => length !== undefined);
    const right = lengths.filter(length => length === wanted.get(name as ArtifactHash)).length;
    if (wanted.has(name as ArtifactHash) && right < lengths.length && copies > right)
      witness.fail(
        'G5',
        `${sled.plan.serial} lists ${copies} copies of ${name}, and ${right} have its length`,
      );
  }
};

const lengthOn = (volume: Volume, name: string): number | undefined => {
  const node = volume.top().now.get(name);
  return node?.kind === 'file' ? node.content.length : undefined;
};

const isKeptForPeople = (words: string): boolean =>
  words.endsWith('cannot be recorded again') ||
  words.includes('is kept but not served') ||
  words.includes('the archive is kept');

/** What is told by the log alone. */
const noteLine = ({ trace }: World, words: string): void => {
  switch (words) {
    case 'artifact copied':
      return trace.reached('a copy was made between sleds');
    case 'copy failed':
      return trace.reached('a copy was cut');
    case 'local repo kept':
      return trace.reached('a drop was refused by its transaction');
    case 'the database had lost a local repo: recorded it again':
      return trace.reached('an archive that the database had lost was recorded again');
    case 'sled has diverged from the database':
      return trace.reached('a sled was proven to have diverged');
    case 'sled does not have the bytes that it lists':
      return trace.reached('a lying sled was caught');
    case 'floor accepted':
      return trace.reached('a sled waited for a floor');
  }
};
