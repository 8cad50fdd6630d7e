/**
 * What changed from one round of replication to the next, as the history keeps it: the generation, the state of
 * releases, what is wrong with sleds.
 *
 * OE1. Each Nexus notes what it saw itself: two that see different things are both right, and the difference tells.
 * OE2. A first round, after a start, notes the generation and whatever is not as it should be.
 */
import type { HealthReason, ReasonCode } from '../../../core/facts/reason.ts';
import { renderReason } from '../../../core/facts/reason-text.ts';
import type { ReleaseState } from '../../../core/health.ts';
import type { SledId } from '../../../core/ids.ts';
import type { NewEvent, Note } from '../../history/history.ts';
import type { Observation } from '../observation.ts';

/** Reasons that speak of the sled itself; those of transfers are with the requests. */
const SLED_CODES: ReadonlySet<ReasonCode> = new Set([
  'SLED_UNREACHABLE',
  'SLED_BAD_ANSWER',
  'SLED_REFUSES',
  'SLED_DIVERGED',
  'SLED_KEEPS_POINTS',
  'SLED_BYTES_DIFFER',
  'DATASET_FAULT',
]);

type Fault = { readonly reason: HealthReason & { readonly sledId: SledId }; readonly sinceMs: number };
type Seen = { readonly state: ReleaseState; readonly sinceMs: number };

export const createObservedEvents = (note: Note): ((observation: Observation) => void) => {
  let before: Observation | undefined;
  let releases = new Map<string, Seen>();
  let faults = new Map<string, Fault>();
  return observation => {
    noteGeneration(note, before, observation);
    releases = noteReleases(note, before === undefined, releases, observation);
    faults = noteFaults(note, faults, observation);
    before = observation;
  };
};

const versionsOf = ({ wanted }: Observation): string[] =>
  wanted.releases.map(({ systemVersion }) => systemVersion);

const noteGeneration = (note: Note, before: Observation | undefined, now: Observation): void => {
  const { generation } = now;
  if (before?.generation === generation) return;
  note({ kind: 'generation', generation, timeMs: now.timeMs, message: generationText(before, now) });
};

const generationText = (before: Observation | undefined, now: Observation): string => {
  const versions = versionsOf(now);
  const present = versions.length === 0 ? 'no release is present' : `present: ${versions.join(', ')}`;
  if (before === undefined) return `the first that this Nexus sees since its start; ${present}`;
  const earlier = versionsOf(before);
  const came = versions.filter(version => !earlier.includes(version));
  const gone = earlier.filter(version => !versions.includes(version));
  const changes = [
    ...(came.length === 0 ? [] : [`came: ${came.join(', ')}`]),
    ...(gone.length === 0 ? [] : [`gone: ${gone.join(', ')}`]),
  ];
  const was =
    now.generation < before.generation
      ? `fell from ${before.generation}: the database was restored, or lost commits in a failover`
      : `was ${before.generation}`;
  return `${was}; ${changes.length === 0 ? 'the same releases' : changes.join('; ')}; ${present}`;
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
    const was = last === undefined ? undefined : `was ${last.state}`;
    note({
      kind: 'release_state',
      systemVersion,
      generation,
      timeMs,
      elapsedMs: last === undefined ? undefined : timeMs - last.sinceMs,
      errorCode: state === 'failed' || state === 'blocked' ? reasons[0]?.code : undefined,
      message: [`is ${state}`, was, reasons[0] && renderReason(reasons[0]).message]
        .filter(text => text !== undefined)
        .join('; '),
    });
  }
  return now;
};

const noteFaults = (
  note: Note,
  before: ReadonlyMap<string, Fault>,
  { reasons, sleds, timeMs, generation }: Observation,
): Map<string, Fault> => {
  const now = new Map<string, Fault>();
  const event = ({ reason }: Fault): NewEvent => ({
    kind: 'sled_state',
    sledId: reason.sledId,
    errorCode: reason.code,
    generation,
    timeMs,
  });
  for (const reason of reasons) {
    const { sledId, code } = reason;
    const { message } = renderReason(reason);
    if (sledId === undefined || !SLED_CODES.has(code)) continue;
    // A sled has several datasets, which are told apart by what is said of them.
    const key = [
      sledId,
      ...(reason.code === 'DATASET_FAULT' ? [code, reason.path, reason.state] : [code]),
    ].join(' ');
    const last = before.get(key);
    const fault = { reason: { ...reason, sledId }, sinceMs: last?.sinceMs ?? timeMs };
    now.set(key, fault);
    if (last === undefined) note({ ...event(fault), message });
  }
  const present = new Set(sleds.map(({ id }) => id));
  for (const [key, fault] of before) {
    // Of a sled that is no longer in service nothing is known.
    if (now.has(key) || !present.has(fault.reason.sledId)) continue;
    note({
      ...event(fault),
      elapsedMs: timeMs - fault.sinceMs,
      message: `over: ${renderReason(fault.reason).message}`,
    });
  }
  return now;
};
