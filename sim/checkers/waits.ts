/**
 * T4, at each unlink: an artifact has waited since its sled's ledger lists it no more, and within a day no more is deleted
 * than the sled's share of the most bytes that its disks had.
 *
 * A person may allow all that is pending at a point of the sled (DE5): that waits no more, and is not of the share.
 *
 * It measures on the time of the run, which passes while a sled is down too: a sled may only wait longer.
 */
import type { DeletionRules } from '../../src/core/deletion.ts';
import { isArtifactHash, pointText } from '../../src/core/ids.ts';
import type { SimSled } from '../fleet/world.ts';
import type { Admin } from '../identity/admin.ts';
import type { Fail } from '../violation.ts';
import type { Holdings } from './holdings.ts';
import { pointOfLedger, type SeenLedger } from './ledgers.ts';

export type WaitChecker = {
  readonly onLedger: (sled: SimSled, next: SeenLedger) => void;
  readonly onUnlink: (sled: SimSled, name: string) => void;
  /** An artifact has its name. */
  readonly onStored: (sled: SimSled) => void;
  /** A disk came back with waits from an earlier time. */
  readonly onOldContent: (sled: SimSled) => void;
};

export type WaitRules = DeletionRules & {
  /** Whether no write can be short of room: then nothing goes after half of its wait. */
  readonly hasRoom: boolean;
  /** Whether no disk can lose what was deleted within a day, or hide a part of what is held. */
  readonly remembers: boolean;
};

type Seen = {
  readonly listed: Set<string>;
  readonly unlistedMs: Map<string, number>;
  /** Of the artifacts that it had at some time. */
  readonly sizes: Map<string, number>;
  /** Of which one copy at least has gone. */
  readonly going: Set<string>;
  /** Under the limit; a run is shorter than a day. */
  deletedBytes: number;
  peakBytes: number;
  point: string | undefined;
  /** Its earlier points, and when it left each of them. */
  readonly leftMs: Map<string, number>;
};

type Watch = {
  readonly nowMs: () => number;
  readonly admin: Pick<Admin, 'said'>;
  readonly rules: WaitRules;
  readonly holdings: Holdings;
  readonly fail: Fail;
};

export const createWaitChecker = (watch: Watch): WaitChecker => {
  const { nowMs, rules, holdings } = watch;
  const sleds = new WeakMap<SimSled, Seen>();
  const seenOf = (sled: SimSled): Seen => {
    const seen = sleds.get(sled) ?? nothingSeen();
    sleds.set(sled, seen);
    return seen;
  };
  return {
    onLedger(sled, ledger) {
      const seen = seenOf(sled);
      const { artifacts } = ledger;
      const { listed, unlistedMs } = seen;
      moveTo(seen, pointOfLedger(ledger), nowMs());
      for (const name of listed)
        if (!artifacts.has(name) && !unlistedMs.has(name)) unlistedMs.set(name, nowMs());
      for (const name of artifacts) {
        listed.add(name);
        unlistedMs.delete(name);
      }
    },
    onUnlink(sled, name) {
      if (!isArtifactHash(name) || rules.waitMs === 0) return;
      const seen = seenOf(sled);
      if (isAllowed(watch, seen, name)) return;
      const waitedMs = requireWait(watch, sled, seen, name);
      if (!rules.remembers || rules.limitPercent >= 100 || seen.going.has(name)) return;
      seen.going.add(name);
      if (waitedMs === undefined || waitedMs >= rules.limitWaitMs) return;
      seen.deletedBytes += seen.sizes.get(name) ?? 0;
      requireShare(watch, sled, seen);
    },
    onStored(sled) {
      if (!rules.remembers) return;
      const seen = seenOf(sled);
      const held = new Map(
        [...sled.machine.volumes.values()].flatMap(volume => [...holdings.filesOn(volume)]),
      );
      let bytes = 0;
      for (const [name, { length }] of held) {
        seen.sizes.set(name, length);
        seen.going.delete(name);
        bytes += length;
      }
      seen.peakBytes = Math.max(seen.peakBytes, bytes);
    },
    onOldContent(sled) {
      const { listed, unlistedMs } = seenOf(sled);
      // How long these have waited is not known until they are listed again.
      listed.clear();
      unlistedMs.clear();
    },
  };
};

const nothingSeen = (): Seen => ({
  listed: new Set(),
  unlistedMs: new Map(),
  sizes: new Map(),
  going: new Set(),
  deletedBytes: 0,
  peakBytes: 0,
  point: undefined,
  leftMs: new Map(),
});

const moveTo = (seen: Seen, point: string, nowMs: number): void => {
  if (seen.point === point) return;
  if (seen.point !== undefined) seen.leftMs.set(seen.point, nowMs);
  seen.point = point;
};

/** It was pending while the sled was at a point for which a person has signed. */
const isAllowed = ({ admin }: Watch, { unlistedMs, point, leftMs }: Seen, name: string): boolean => {
  const sinceMs = unlistedMs.get(name);
  if (sinceMs === undefined) return false;
  const wasThere = (at: string): boolean => at === point || (leftMs.get(at) ?? sinceMs) > sinceMs;
  return admin.said().some(each => each.kind === 'allow_deletion' && wasThere(pointText(each.point)));
};

/** Returns how long it waited, where that is known. */
const requireWait = (
  { nowMs, rules, fail }: Watch,
  { plan }: SimSled,
  { unlistedMs }: Seen,
  name: string,
): number | undefined => {
  const sinceMs = unlistedMs.get(name);
  if (sinceMs === undefined) return undefined;
  const waitedMs = nowMs() - sinceMs;
  const leastMs = rules.hasRoom ? rules.waitMs : rules.waitMs / 2;
  if (waitedMs < leastMs)
    fail(
      'T4',
      `${plan.serial} unlinked ${name} ${Math.round(waitedMs)} ms after its config had dropped it, not ${Math.round(leastMs)}`,
    );
  return waitedMs;
};

const requireShare = ({ rules, fail }: Watch, { plan }: SimSled, { deletedBytes, peakBytes }: Seen): void => {
  if (deletedBytes * 100 > peakBytes * rules.limitPercent)
    fail('T4', `${plan.serial} has deleted ${deletedBytes} of ${peakBytes} bytes within a day`);
};
