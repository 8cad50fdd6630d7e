/**
 * What changed from one round of replication to the next, as the history keeps it: the generation, the state of
 * releases, what is wrong with sleds.
 *
 * OE1. Each Nexus notes what it saw itself: two that see different things are both right, and the difference tells.
 * OE2. A first round, after a start, notes the generation and whatever is not as it should be.
 * OE3. A state of a sled beyond its allowance (EVL1) is noted in a later round, if it is still so then, and its end only with it.
 */

import type { ReleaseState } from '../../../core/facts/event.ts';
import type { HealthReason, ReasonCode } from '../../../core/facts/reason.ts';
import type { SledId } from '../../../core/ids.ts';
import type { Note } from '../../history/history.ts';
import type { AdmitEvent } from '../../history/sled-allowance.ts';
import type { Observation } from '../observation.ts';

/** Reasons that speak of the sled itself; those of transfers are with the requests. */
const SLED_CODES: ReadonlySet<ReasonCode> = new Set([
  'SLED_UNREACHABLE',
  'SLED_BAD_ANSWER',
  'SLED_OTHER_IDENTITY',
  'SLED_REFUSES',
  'SLED_NEEDS_STATEMENT',
  'SLED_DIVERGED',
  'SLED_KEEPS_POINTS',
  'SLED_BYTES_DIFFER',
  'DATASET_FAULT',
  'DELETION_LIMITED',
]);

type Fault = {
  readonly reason: HealthReason & { readonly sledId: SledId };
  readonly sinceMs: number;
  readonly isNoted: boolean;
};
type Seen = { readonly state: ReleaseState; readonly sinceMs: number };

export const createObservedEvents = (note: Note, admit: AdmitEvent): ((observation: Observation) => void) => {
  let before: Observation | undefined;
  let releases = new Map<string, Seen>();
  let faults = new Map<string, Fault>();
  return observation => {
    noteGeneration(note, before, observation);
    releases = noteReleases(note, before === undefined, releases, observation);
    faults = noteFaults(note, admit, faults, observation);
    before = observation;
  };
};

const versionsOf = ({ wanted }: Observation): string[] =>
  wanted.releases.map(({ systemVersion }) => systemVersion);

const noteGeneration = (note: Note, before: Observation | undefined, now: Observation): void => {
  const { generation, timeMs } = now;
  if (before?.generation === generation) return;
  const present = versionsOf(now);
  const earlier = before === undefined ? present : versionsOf(before);
  note({
    kind: 'generation',
    generation,
    timeMs,
    previousGeneration: before?.generation,
    added: present.filter(version => !earlier.includes(version)),
    removed: earlier.filter(version => !present.includes(version)),
    present,
  });
};

const noteReleases = (
  note: Note,
  isFirst: boolean,
  before: ReadonlyMap<string, Seen>,
  { releases, timeMs, generation }: Observation,
): Map<string, Seen> => {
  const now = new Map<string, Seen>();
  for (const { progress, state, reasons } of releases) {
    const { systemVersion } = progress;
    const last = before.get(systemVersion);
    const unchanged = last?.state === state ? last : undefined;
    now.set(systemVersion, unchanged ?? { state, sinceMs: timeMs });
    if (unchanged !== undefined || (isFirst && state === 'complete')) continue;
    const [reason] = reasons;
    note({
      kind: 'release_state',
      systemVersion,
      generation,
      timeMs,
      state,
      previousState: last?.state,
      elapsedMs: last === undefined ? undefined : timeMs - last.sinceMs,
      errorCode: state === 'failed' || state === 'blocked' ? reason?.code : undefined,
      reason,
    });
  }
  return now;
};

const noteFaults = (
  note: Note,
  admit: AdmitEvent,
  before: ReadonlyMap<string, Fault>,
  { reasons, sleds, timeMs, generation }: Observation,
): Map<string, Fault> => {
  const now = new Map<string, Fault>();
  const event = ({ reason }: Fault, isOver: boolean) => ({
    kind: 'sled_state' as const,
    sledId: reason.sledId,
    errorCode: reason.code,
    generation,
    timeMs,
    reason,
    isOver,
  });
  for (const reason of reasons) {
    const { sledId, code } = reason;
    if (sledId === undefined || !SLED_CODES.has(code)) continue;
    // A sled has several datasets, and each may have another fault.
    const parts = reason.code === 'DATASET_FAULT' ? [reason.path, reason.state] : [];
    const key = [sledId, code, ...parts].join(' ');
    const last = before.get(key);
    const isNoted = last?.isNoted === true || admit(sledId);
    const fault = { reason: { ...reason, sledId }, sinceMs: last?.sinceMs ?? timeMs, isNoted };
    now.set(key, fault);
    if (isNoted && last?.isNoted !== true) note(event(fault, false));
  }
  const present = new Set(sleds.map(({ id }) => id));
  for (const [key, fault] of before) {
    // Of a sled that is no longer in service nothing is known.
    if (now.has(key) || !fault.isNoted || !present.has(fault.reason.sledId)) continue;
    note({ ...event(fault, true), elapsedMs: timeMs - fault.sinceMs });
  }
  return now;
};
