import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { toDetails } from './facts/details.ts';
import { type ReasonCode, reasonSchemas } from './facts/reason.ts';
import { renderReason } from './facts/reason-text.ts';
import { fieldsOf } from './facts/schema.fixture.ts';
import { type ElsewhereHeld, fleetReasons, reasonCodes, releaseState, sledReasons, worst } from './health.ts';
import {
  archiveOf,
  hash,
  listing,
  planInput,
  silentSled,
  sled,
  sledId,
  wantedOf,
} from './plan/fleet.fixture.ts';
import type { PlanInput } from './plan/input.ts';
import { pairKey } from './plan/input.ts';
import { planReplication } from './plan/plan.ts';
import { releaseProgress } from './progress.ts';
import { seededRng } from './rng.ts';

const wanted = wantedOf([[1, 2]]);
const release = wanted.releases[0]!;

/** As the task folds it: from the plan of the same sleds. */
const stateOf = (
  sleds: PlanInput['sleds'],
  elsewhere: ElsewhereHeld = new Map(),
  local: PlanInput['local'] = [],
) => {
  const { blocked } = planReplication(planInput({ wanted, sleds, local }), seededRng(1));
  const { state, reasons } = releaseState(
    releaseProgress(release, wanted, sleds, 3),
    release.artifacts,
    blocked,
    elsewhere,
  );
  return { state, reason: reasons[0] };
};
const half = listing([[hash(1), 2]]);

test('a release with an artifact that nobody has is failed, with the remedy, and recovers when a copy appears (S13)', () => {
  const gone = [sled(1, half), sled(2)];
  const { state, reason } = stateOf(gone);
  expect(state).toBe('failed');
  expect(reason).toEqual({ code: 'RELEASE_FAILED', systemVersion: '1.0.0', sha256: hash(2), artifacts: 1 });
  expect(renderReason(reason!).remedy).toBe('Upload the same archive again.');
  expect(stateOf([...gone, sled(3, listing([[hash(2), 1]]))]).state).toBe('replicating');
  expect(stateOf(gone, new Map(), [archiveOf(wanted, 0)]).state).toBe('replicating');
});

test('a release that every sled holds, but not on every dataset, says so (S12)', () => {
  const all = listing([
    [hash(1), 2],
    [hash(2), 2],
  ]);
  const short = listing([
    [hash(1), 2],
    [hash(2), 1],
  ]);
  expect(stateOf([sled(1, all), sled(2, all), sled(3, short)])).toMatchObject({
    state: 'safe',
    reason: { sleds: 3, sledsHoldingAll: 3, sledsHoldingAllFully: 2 },
  });
});

test('while a silent sled or another Nexus may have the bytes it is blocked, and says who (P8)', () => {
  expect(stateOf([sled(1, half), silentSled(2)])).toMatchObject({
    state: 'blocked',
    reason: { code: 'RELEASE_BLOCKED', sha256: hash(2), artifacts: 1, holder: 'unreachable_sleds' },
  });
  const at = (state: 'alive' | 'silent') => stateOf([sled(1, half)], new Map([[hash(2), state]]));
  expect(at('alive')).toMatchObject({ state: 'blocked', reason: { holder: 'another_nexus' } });
  expect(at('silent')).toMatchObject({ state: 'blocked', reason: { holder: 'silent_nexus' } });
});

test('a release that is safe and not complete is said to be safe, with its numbers (S24)', () => {
  const full = listing([
    [hash(1), 2],
    [hash(2), 2],
  ]);
  const sleds = [1, 2, 3].map(n => sled(n, full));
  expect(stateOf(sleds)).toEqual({ state: 'complete', reason: undefined });
  expect(stateOf([...sleds, sled(4, half)])).toMatchObject({
    state: 'safe',
    reason: {
      code: 'RELEASE_REPLICATING',
      systemVersion: '1.0.0',
      copiesHeld: 7,
      copiesWanted: 8,
      sleds: 4,
      sledsHoldingAll: 3,
      sledsHoldingAllFully: 3,
    },
  });
});

test('why a sled lacks something is one reason a sled, whatever the number of artifacts (S12)', () => {
  const sleds = [
    silentSled(1),
    { ...sled(2), writesPausedUntilMs: 10, writesPausedBecause: 'dataset full' },
    sled(3),
  ];
  const backoff = new Map(
    [1, 2].map(n => [pairKey(sledId(3), hash(n)), { untilMs: 10, because: `source ${n} hung up` }]),
  );
  const { blocked } = planReplication(
    planInput({ wanted, sleds, backoff, nowMs: 5, local: [archiveOf(wanted, 0)] }),
    seededRng(1),
  );
  const reasons = sledReasons(sleds, blocked, 5);
  expect(reasons).toMatchObject([
    { code: 'SLED_UNREACHABLE', sledId: sledId(1), serial: 'sled-1', error: 'connection refused' },
    { code: 'SLED_WRITES_PAUSED', sledId: sledId(2), error: 'dataset full' },
    {
      code: 'TRANSFER_FAILED',
      sledId: sledId(3),
      transfers: 2,
      error: expect.stringMatching(/^source [12] hung up$/),
    },
  ]);
  expect(
    sledReasons(sleds, [], 10).map(reason => reason.code),
    'a pause that is over is no reason',
  ).toEqual(['SLED_UNREACHABLE']);
});

test('a fleet that is smaller than the minimum has a reason, once there is a release to replicate (S7)', () => {
  expect(fleetReasons(wanted, [sled(1)], 3)).toEqual([
    { code: 'TOO_FEW_SLEDS', sledsInService: 1, minSledReplication: 3 },
  ]);
  expect(
    fleetReasons(
      wanted,
      [1, 2, 3].map(n => sled(n)),
      3,
    ),
  ).toEqual([]);
  expect(fleetReasons(wantedOf([]), [], 3)).toEqual([]);
});

test('the verdict is the worst of the reasons', () => {
  expect(worst([])).toBe('ok');
  expect(worst([{ code: 'PLAIN_LISTEN', address: '[::1]:1' }])).toBe('ok');
  expect(
    worst([
      { code: 'REPLICATION_PAUSED' },
      { code: 'RELEASE_FAILED', systemVersion: '1.0.0', sha256: hash(1), artifacts: 1 },
      { code: 'NOT_YET_LOOKED', because: 'just_started' },
    ]),
  ).toBe('failed');
});

/** What any reason may have. */
const ABOUT = ['sledId', 'sha256', 'systemVersion', 'sinceMs'];

test('docs/operations.md explains every reason code once, with its verdict and the names of its details, and no other', async () => {
  const text = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const documented = [
    ...text.matchAll(/^\| `([A-Z_]+)` \| (ok|converging|degraded|failed) \| \S.* \|(.*)\|$/gm),
  ];
  const expected = Object.entries(reasonCodes);
  expect(documented.map(([, code, verdict]) => [code, verdict]).sort()).toEqual(expected.sort());
  for (const [, code, , details] of documented) {
    const names = [...details!.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    const fields = fieldsOf(reasonSchemas[code as ReasonCode]).filter(name => !ABOUT.includes(name));
    expect(names, code).toEqual(Object.keys(toDetails(Object.fromEntries(fields.map(name => [name, null])))));
  }
});

test('an archive whose recording was in doubt names the Nexus that has it, and no other (P8)', () => {
  expect(stateOf([sled(1, half)], new Map([[hash(2), 'here']]))).toMatchObject({
    state: 'blocked',
    reason: { holder: 'this_nexus' },
  });
});
