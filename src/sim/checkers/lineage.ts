/**
 * P13, at each ledger that is written, each file of a kept config that goes and each point that a recovery accepts:
 * nothing that a sled was told to hold is lost to a database of another history.
 *
 * - A sled adopts what takes nothing from its config but what an operator deleted in the history of the new one, or gave
 *   up by name.
 * - A dataset with a config that the database does not know loses it only to one that is kept beside it.
 * - What a kept config lists stays, and so does its file, until the database knows its point.
 * - A recovery accepts a point only if all that was wanted at it is wanted, was deleted, or is given up by name.
 *
 * A sled that does not compare points, or was told its config by a Nexus that does not, is judged by numbers.
 */
import { type ArtifactHash, isArtifactHash } from '../../core/ids.ts';
import type { MemoryState } from '../../nexus/datastore/memory/state.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Volume } from '../machine/volume.ts';
import type { Histories } from './histories.ts';
import { keptOn, ledgerOn, pointOfLedger, readableOn, type SeenLedger } from './ledgers.ts';
import type { Fail } from './violation.ts';

export type LineageChecker = {
  /** Ahead of {@link RemovalChecker.onLedger}: `last` is what it wrote before. */
  readonly onLedger: (
    sled: SimSled,
    volume: Volume,
    change: { readonly last: SeenLedger | undefined; readonly next: SeenLedger },
  ) => void;
  readonly onUnlink: (sled: SimSled, volume: Volume, name: string) => void;
  readonly onCommit: (before: MemoryState, after: MemoryState) => void;
  /** What operators gave up by name, in recoveries. */
  readonly givenUp: Set<ArtifactHash>;
};

type Deps = { readonly world: World; readonly histories: Histories; readonly fail: Fail };

export const createLineageChecker = ({ world, histories, fail }: Deps): LineageChecker => {
  const givenUp = new Set<ArtifactHash>();
  const lost = (from: SeenLedger, to: SeenLedger): ArtifactHash | undefined => {
    const [old, next] = [pointOfLedger(from), pointOfLedger(to)];
    return [...from.artifacts]
      .filter(isArtifactHash)
      .find(sha256 => !to.artifacts.has(sha256) && !histories.mayLose(old, next, sha256));
  };

  const isJudgedByNumbers = (sled: SimSled, from: SeenLedger, to: SeenLedger): boolean => {
    const { points } = world.database.snapshot();
    const first = [...points.values()].find(({ origin }) => origin === 'first')!.generation;
    return sled.agent !== 'current' || !to.hasLineage || (!from.hasLineage && from.generation < first);
  };

  /** The config that it goes by, as long as a disk that it can read tells it. */
  const requireNothingLost = (sled: SimSled, last: SeenLedger, next: SeenLedger): void => {
    const isTold = readableOn(sled).some(volume => isSame(ledgerOn(volume), last));
    if (!isTold || last.incarnation !== next.incarnation || isJudgedByNumbers(sled, last, next)) return;
    const sha256 = lost(last, next);
    if (sha256 === undefined || readableOn(sled).some(volume => isKeptFor(volume, last))) return;
    fail(
      'G2',
      `${sled.plan.serial} took generation ${next.generation} for ${last.generation}, and loses ${sha256}, which nobody deleted or gave up`,
    );
  };

  /** The config that this dataset had. */
  const requireHeadKept = (sled: SimSled, volume: Volume, next: SeenLedger): void => {
    const old = ledgerOn(volume);
    if (old === undefined || isSame(old, next) || isJudgedByNumbers(sled, old, next)) return;
    const sha256 = lost(old, next);
    if (sha256 === undefined || isKeptFor(volume, old)) return;
    fail(
      'G2',
      `${sled.plan.serial} wrote generation ${next.generation} over ${old.generation} on ${volume.path}, and loses ${sha256}, which nobody deleted or gave up`,
    );
  };

  return {
    givenUp,
    onLedger(sled, volume, { last, next }) {
      if (last !== undefined && !isSame(last, next)) requireNothingLost(sled, last, next);
      // What is written into the mount point of a disk that is away is not written over what the disk has.
      if (volume.state !== 'unmounted') requireHeadKept(sled, volume, next);
    },
    onUnlink(sled, volume, name) {
      const state = world.database.snapshot();
      const kept =
        keptOn(volume).find(each => each.name === name) ??
        readableOn(sled)
          .flatMap(keptOn)
          .find(each => each.artifacts.has(name));
      if (kept === undefined || sled.agent !== 'current' || histories.isKnown(state, kept.point)) return;
      const what = kept.name === name ? 'removed' : `unlinked ${name}, which is listed by`;
      fail('G2', `${sled.plan.serial} ${what} the kept config of ${kept.point}, on which nobody decided`);
    },
    onCommit(before, after) {
      if (after.points === before.points) return;
      for (const [name, { origin }] of after.points) {
        if (origin !== 'accepted' || before.points.has(name)) continue;
        world.trace.reached('a recovery accepted a point');
        const here = `${after.stored.generation}:${after.stored.digest}`;
        const wanted = histories.wantedAt(here);
        for (const sha256 of histories.wantedAt(name) ?? [])
          if (wanted?.has(sha256) === false && !givenUp.has(sha256) && !histories.wasDeleted(here, sha256))
            fail(
              'G2',
              `a recovery accepted ${name}, and ${sha256} of it is not wanted, nor given up by name`,
            );
      }
    },
  };
};

const isSame = (one: SeenLedger | undefined, other: SeenLedger): boolean =>
  one !== undefined && pointOfLedger(one) === pointOfLedger(other);

const isKeptFor = (volume: Volume, config: SeenLedger): boolean =>
  keptOn(volume).some(({ point }) => point === pointOfLedger(config));
