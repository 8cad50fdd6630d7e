/**
 * G2 and G6, at each unlink and at each write of a ledger on a sled.
 *
 * - G2: a sled unlinks only what the newest config that it ever held does not list.
 * - G6: within one incarnation the generation of its ledgers never falls, and one generation has one content.
 */
import { isArtifactHash } from '../../src/core/ids.ts';
import type { SimSled } from '../fleet/world.ts';
import type { Volume } from '../machine/volume.ts';
import type { Fail } from '../violation.ts';
import {
  ledgerIn,
  ledgerOn,
  newestLedgerOn,
  newestLedgerSeenOn,
  newestOn,
  readableOn,
  readLedger,
  type SeenLedger,
} from './ledgers.ts';

type Reported = { readonly incarnation: string | undefined; readonly generation: number };

export type RemovalChecker = {
  readonly onUnlink: (sled: SimSled, name: string) => void;
  readonly onLedger: (sled: SimSled, content: Uint8Array) => void;
  /** A sled's answer to a list: never older than what it had reported before the request. */
  readonly onListed: (sled: SimSled, asked: Reported | undefined, answer: Reported) => void;
  /** The sled adopted a config and has it durably: from then on it reports nothing older. */
  readonly onAcknowledged: (sled: SimSled) => void;
  readonly reported: (sled: SimSled) => Reported | undefined;
  /** The database was restored: a sled that has to trust it may fall to the generation of the restore. */
  readonly onDatabaseRestored: (from: number, to: number) => void;
  /** Whether the database may have had this generation before a restore, and another one of that number since. */
  readonly wasGivenTwice: (generation: number) => boolean;
  readonly highest: (sled: SimSled) => SeenLedger | undefined;
  /** The disks that its process found when it started, and can still read. */
  readonly readBy: (sled: SimSled) => readonly Volume[];
  /** Writes that were not durable are lost, and were reported to no Nexus. */
  readonly onPowerCut: (sled: SimSled) => void;
  /** If its newest ledger is in a mount point below a disk that is mounted now, the sled starts over from its disks. */
  readonly onStart: (sled: SimSled) => void;
};

export const createRemovalChecker = (fail: Fail): RemovalChecker => {
  const highest = new WeakMap<SimSled, SeenLedger>();
  const reported = new WeakMap<SimSled, Reported>();
  /** Disks that were absent when its process started: it may not have read them yet. */
  const unread = new WeakMap<SimSled, ReadonlySet<Volume>>();
  /** Generations that restores have taken from the database, as ends of ranges: above the first, up to the second. */
  const forgotten: (readonly [number, number])[] = [];
  const wasGivenTwice = (generation: number): boolean =>
    forgotten.some(([to, from]) => generation > to && generation <= from);

  const heard = (sled: SimSled, said: Reported): void => {
    const last = reported.get(sled);
    const isNews = last === undefined || last.incarnation !== said.incarnation;
    if (isNews || said.generation > last.generation) reported.set(sled, said);
  };

  const readBy = (sled: SimSled): readonly Volume[] =>
    readableOn(sled).filter(volume => !unread.get(sled)?.has(volume));

  return {
    wasGivenTwice,
    readBy,
    highest: sled => highest.get(sled),
    onPowerCut: sled => lower(highest, sled, newestLedgerOn(sled)),
    onStart: sled => {
      unread.set(sled, unreadableOn(sled));
      if (isOutOfSight(sled, highest.get(sled))) lower(highest, sled, newestLedgerSeenOn(sled));
    },
    onDatabaseRestored: (from, to) => void forgotten.push([to, from]),
    onUnlink: (sled, name) => requireUnlisted(fail, sled, name, highest.get(sled)),
    onLedger(sled, content) {
      const ledger = readLedger(content);
      if (ledger === undefined) return;
      const before = highest.get(sled);
      if (before?.incarnation === ledger.incarnation) {
        const read = readBy(sled);
        const isForgotten = wasGivenTwice(before.generation) && !isToldBy(read, before);
        if (
          ledger.generation < before.generation &&
          !isForgotten &&
          !isUnfinished(read, before, reported.get(sled))
        )
          fail(
            'G6',
            `${sled.plan.serial} wrote a ledger of generation ${ledger.generation} after ${before.generation}`,
          );
        // After a restore another generation of a lost number may reach a sled that cannot know. So may the head of another
        // disk, which the database does not know (KN4).
        const isExcused =
          wasGivenTwice(ledger.generation) && (!isToldBy(read, before) || isHeadOf(readableOn(sled), ledger));
        if (!isExcused && isOther(ledger, before))
          fail('G6', `${sled.plan.serial} wrote another config of generation ${ledger.generation}`);
      }
      highest.set(sled, ledger);
    },
    reported: sled => reported.get(sled),
    onListed(sled, asked, answer) {
      const isSame = asked !== undefined && asked.incarnation === answer.incarnation;
      // A ledger that is on no disk any more does not count.
      const isBack = isSame && answer.generation < Math.min(asked.generation, newestOn(sled));
      if (isBack && !wasGivenTwice(asked.generation))
        fail('G6', `${sled.plan.serial} lists generation ${answer.generation} after ${asked.generation}`);
      heard(sled, answer);
    },
    onAcknowledged(sled) {
      const ledger = newestLedgerOn(sled);
      if (ledger !== undefined) heard(sled, ledger);
    },
  };
};

const unreadableOn = (sled: SimSled): ReadonlySet<Volume> => {
  const readable = readableOn(sled);
  return new Set([...sled.machine.volumes.values()].filter(each => !readable.includes(each)));
};

/** G2 */
const requireUnlisted = (
  fail: Fail,
  { plan }: SimSled,
  name: string,
  newest: SeenLedger | undefined,
): void => {
  if (!isArtifactHash(name)) return;
  if (newest === undefined) fail('G2', `${plan.serial} unlinked ${name} and never held a config`);
  else if (newest.artifacts.has(name))
    fail('G2', `${plan.serial} unlinked ${name}, which its config of generation ${newest.generation} lists`);
};

const lower = (highest: WeakMap<SimSled, SeenLedger>, sled: SimSled, kept: SeenLedger | undefined): void => {
  const seen = highest.get(sled);
  if (kept !== undefined && seen !== undefined && kept.generation < seen.generation) highest.set(sled, kept);
};

/** Written into the mount point below a disk that is mounted now. */
const isOutOfSight = ({ machine }: SimSled, ledger: SeenLedger | undefined): boolean => {
  const volumes = [...machine.volumes.values()];
  return (
    volumes.every(({ state }) => state === 'ok') &&
    volumes.some(({ medium }) => isSame(ledgerIn(medium.mountPoint), ledger))
  );
};

/** Whether one of these disks had this config before this write, in any incarnation. */
const isHeadOf = (volumes: readonly Volume[], config: SeenLedger): boolean =>
  volumes.map(ledgerOn).some(each => each?.generation === config.generation && isSameSet(each, config));

/** Of one generation. */
const isOther = (one: SeenLedger, other: SeenLedger): boolean =>
  one.generation === other.generation && !isSameSet(one, other);

const isSameSet = ({ artifacts }: SeenLedger, other: SeenLedger): boolean =>
  artifacts.size === other.artifacts.size && [...artifacts].every(hash => other.artifacts.has(hash));

/** Whether one of these disks has this config, and none has another one of its generation (K5). */
const isToldBy = (volumes: readonly Volume[], config: SeenLedger): boolean => {
  // The renamed file is not durable yet, so this is the ledger before it.
  const told = volumes.map(ledgerOn).filter(ledger => ledger?.generation === config.generation);
  return told.length > 0 && told.every(ledger => isSameSet(ledger!, config));
};

/** The ledger went away with its disk before the sled answered: it counts when the disk is back. */
const isUnfinished = (
  volumes: readonly Volume[],
  { incarnation, generation }: SeenLedger,
  told: Reported | undefined,
): boolean => {
  const wasTold = told?.incarnation === incarnation && told.generation >= generation;
  const shows = (volume: Volume): boolean =>
    // On the disk of this write: the ledger before it.
    [ledgerIn(volume.medium.top), ledgerOn(volume)].some(ledger => ledger?.generation === generation);
  return !wasTold && !volumes.some(shows);
};

const isSame = (one: SeenLedger | undefined, other: SeenLedger | undefined): boolean =>
  one !== undefined && one.incarnation === other?.incarnation && one.generation === other.generation;
