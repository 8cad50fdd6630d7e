import { expect, test } from 'vitest';
import type { ReleaseState } from '../../../core/facts/event.ts';
import { renderEvent } from '../../../core/facts/event-text.ts';
import type { HealthReason } from '../../../core/facts/reason.ts';
import type { NewEvent } from '../../history/history.ts';
import { fakeSled, generation, hashOf } from '../../sleds/fleet.fixture.ts';
import type { Observation } from '../observation.ts';
import { createObservedEvents } from './observed-events.ts';

const [first, second] = [fakeSled(1).target.id, fakeSled(2).target.id];

type Round = {
  readonly generation?: number;
  readonly releases?: Readonly<Record<string, ReleaseState>>;
  readonly reasons?: readonly HealthReason[];
  readonly sleds?: readonly (typeof first)[];
};

const FAILED: HealthReason = {
  code: 'RELEASE_FAILED',
  systemVersion: '1.0.0',
  sha256: hashOf(1),
  artifacts: 1,
};

/** Rounds a second apart; what each of them adds to the history. */
const looking = () => {
  const noted: NewEvent[] = [];
  const observed = createObservedEvents(
    event => void noted.push(event),
    () => true,
  );
  let timeMs = 0;
  return (round: Round) => {
    const releases = Object.entries(round.releases ?? {});
    timeMs += 1_000;
    observed({
      timeMs,
      generation: generation(round.generation ?? 1),
      wanted: { releases: releases.map(([systemVersion]) => ({ systemVersion })) },
      sleds: (round.sleds ?? [first, second]).map(id => ({ id })),
      releases: releases.map(([systemVersion, state]) => ({
        progress: { systemVersion },
        state,
        reasons: state === 'failed' ? [FAILED] : [],
      })),
      reasons: round.reasons ?? [],
    } as unknown as Observation);
    return noted.splice(0);
  };
};

const unreachable: HealthReason<'SLED_UNREACHABLE'> = {
  code: 'SLED_UNREACHABLE',
  sledId: first,
  serial: 'sled-1',
  error: 'connection refused',
  errorCode: 'PEER_UNREACHABLE',
};

test('a change of the generation is recorded with the previous one, and the releases that came and went', () => {
  const look = looking();
  const change = (round: Round) => look(round).find(event => event.kind === 'generation');
  expect(change({ generation: 4 }), 'the first that this Nexus sees since its start').toEqual({
    kind: 'generation',
    timeMs: 1_000,
    generation: 4,
    previousGeneration: undefined,
    added: [],
    removed: [],
    present: [],
  });
  expect(change({ generation: 4 })).toBeUndefined();
  expect(change({ generation: 5, releases: { '1.0.0': 'complete' } })).toMatchObject({
    ...{ generation: 5, previousGeneration: 4, added: ['1.0.0'], removed: [], present: ['1.0.0'] },
  });
  expect(change({ generation: 6, releases: { '2.0.0': 'complete' } })).toMatchObject({
    ...{ previousGeneration: 5, added: ['2.0.0'], removed: ['1.0.0'], present: ['2.0.0'] },
  });
  expect(change({ generation: 9, releases: { '2.0.0': 'complete' } })).toMatchObject({
    ...{ previousGeneration: 6, added: [], removed: [], present: ['2.0.0'] },
  });
  const fell = change({ generation: 3, releases: { '2.0.0': 'complete' } });
  expect(fell, 'B5').toMatchObject({ generation: 3, previousGeneration: 9 });
  expect(renderEvent(fell!)).toContain('the database was restored');
});

test('each state of a release is recorded once, with the reason of a failure and the time in the state before (S13)', () => {
  const look = looking();
  const states = (state: ReleaseState) =>
    look({ releases: { '1.0.0': state } }).filter(event => event.kind === 'release_state');
  expect(states('complete'), 'a restart in a fleet that is whole adds nothing').toEqual([]);
  expect(states('failed')).toMatchObject([
    {
      systemVersion: '1.0.0',
      errorCode: 'RELEASE_FAILED',
      elapsedMs: 1_000,
      ...{ state: 'failed', previousState: 'complete', reason: FAILED },
    },
  ]);
  expect(states('failed')).toEqual([]);
  expect(states('replicating')).toMatchObject([
    { elapsedMs: 2_000, state: 'replicating', previousState: 'failed' },
  ]);
});

test('a Nexus that starts tells of a release that is not complete', () => {
  expect(looking()({ releases: { '1.0.0': 'blocked' } })).toMatchObject([
    { kind: 'generation' },
    { kind: 'release_state', state: 'blocked' },
  ]);
});

test('a fault of a sled is recorded when it begins, and when it is over, with its duration', () => {
  const look = looking();
  const faults = (reasons: readonly HealthReason[], sleds?: Round['sleds']) =>
    look({ reasons, ...(sleds && { sleds }) }).filter(event => event.kind === 'sled_state');
  expect(faults([unreachable])).toMatchObject([
    { sledId: first, errorCode: 'SLED_UNREACHABLE', isOver: false, reason: unreachable },
  ]);
  expect(faults([{ ...unreachable, error: 'no route' }])).toEqual([]);
  expect(faults([])).toMatchObject([
    { sledId: first, elapsedMs: 2_000, isOver: true, reason: { error: 'no route' } },
  ]);
  faults([unreachable]);
  expect(faults([], [second]), 'of an expunged sled nothing is known').toEqual([]);
});

test('two faulty datasets of one sled are two events; transfers and releases have events of their own', () => {
  const look = looking();
  const dataset = (path: string): HealthReason => ({
    code: 'DATASET_FAULT',
    sledId: first,
    serial: 'sled-1',
    path,
    state: 'missing',
  });
  const transfer: HealthReason = {
    code: 'TRANSFER_FAILED',
    sledId: first,
    serial: 'sled-1',
    sha256: hashOf(1),
    transfers: 1,
    error: 'waits',
  };
  look({});
  expect(look({ reasons: [dataset('a'), dataset('b'), transfer] })).toMatchObject([
    { isOver: false, reason: { path: 'a' } },
    { isOver: false, reason: { path: 'b' } },
  ]);
  expect(look({ reasons: [dataset('b')] })).toMatchObject([{ isOver: true, reason: { path: 'a' } }]);
});
