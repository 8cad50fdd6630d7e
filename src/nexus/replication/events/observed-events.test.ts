import { expect, test } from 'vitest';
import type { HealthReason } from '../../../core/facts/reason.ts';
import { renderReason } from '../../../core/facts/reason-text.ts';
import type { ReleaseState } from '../../../core/health.ts';
import { fakeSled, generation, hashOf } from '../../fleet-client/fleet.fixture.ts';
import type { NewEvent } from '../../history/history.ts';
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
  const observed = createObservedEvents(event => void noted.push(event));
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

test('a change of the generation is told with what it was, and which releases came and went', () => {
  const look = looking();
  const text = (round: Round) => look(round).map(event => [event.kind, event.generation, event.message])[0];
  expect(text({ generation: 4 })).toEqual([
    'generation',
    4,
    'the first that this Nexus sees since its start; no release is present',
  ]);
  expect(text({ generation: 4 })).toBeUndefined();
  expect(text({ generation: 5, releases: { '1.0.0': 'complete' } })).toEqual([
    'generation',
    5,
    'was 4; came: 1.0.0; present: 1.0.0',
  ]);
  expect(text({ generation: 6, releases: { '2.0.0': 'complete' } })?.[2]).toBe(
    'was 5; came: 2.0.0; gone: 1.0.0; present: 2.0.0',
  );
  expect(text({ generation: 9, releases: { '2.0.0': 'complete' } })?.[2]).toBe(
    'was 6; the same releases; present: 2.0.0',
  );
  expect(text({ generation: 3, releases: { '2.0.0': 'complete' } })?.[2], 'B5').toBe(
    'fell from 9: the database was restored, or lost commits in a failover; the same releases; present: 2.0.0',
  );
});

test('each state of a release is told once, with the reason of a failure and how long the one before lasted (S13)', () => {
  const look = looking();
  const states = (state: ReleaseState) =>
    look({ releases: { '1.0.0': state } }).filter(event => event.kind === 'release_state');
  expect(states('complete'), 'a restart in a fleet that is whole adds nothing').toEqual([]);
  expect(states('failed')).toMatchObject([
    {
      systemVersion: '1.0.0',
      errorCode: 'RELEASE_FAILED',
      elapsedMs: 1_000,
      message: expect.stringMatching(/^is failed; was complete; Release 1\.0\.0/),
    },
  ]);
  expect(states('failed')).toEqual([]);
  expect(states('replicating')).toMatchObject([{ elapsedMs: 2_000, message: 'is replicating; was failed' }]);
});

test('a Nexus that starts tells of a release that is not complete', () => {
  expect(looking()({ releases: { '1.0.0': 'blocked' } })).toMatchObject([
    { kind: 'generation' },
    { kind: 'release_state', message: 'is blocked' },
  ]);
});

test('what is wrong with a sled is told when it begins, and when it is over, with how long it lasted', () => {
  const look = looking();
  const faults = (reasons: readonly HealthReason[], sleds?: Round['sleds']) =>
    look({ reasons, ...(sleds && { sleds }) }).filter(event => event.kind === 'sled_state');
  expect(faults([unreachable])).toMatchObject([
    { sledId: first, errorCode: 'SLED_UNREACHABLE', message: renderReason(unreachable).message },
  ]);
  expect(faults([{ ...unreachable, error: 'no route' }])).toEqual([]);
  expect(faults([])).toMatchObject([
    { sledId: first, elapsedMs: 2_000, message: expect.stringMatching(/^over: Sled sled-1 .*no route/) },
  ]);
  faults([unreachable]);
  expect(faults([], [second]), 'of an expunged sled nothing is known').toEqual([]);
});

test('two faulty datasets of one sled are two things; transfers and releases are told elsewhere', () => {
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
    { message: expect.stringContaining('dataset a is missing') },
    { message: expect.stringContaining('dataset b is missing') },
  ]);
  expect(look({ reasons: [dataset('b')] })).toMatchObject([
    { message: expect.stringMatching(/^over: .*dataset a is missing/) },
  ]);
});
