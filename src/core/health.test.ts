import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
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
  return { state, message: reasons[0]?.message, code: reasons[0]?.code };
};
const half = listing([[hash(1), 2]]);

test('a release with an artifact that nobody has is failed, with the remedy, and recovers when a copy appears (S13)', () => {
  const gone = [sled(1, half), sled(2)];
  expect(stateOf(gone)).toMatchObject({ state: 'failed', code: 'RELEASE_FAILED' });
  expect(stateOf(gone).message).toContain('1 artifact(s) have no copy');
  expect(stateOf(gone).message).toContain('upload the same archive again');
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
    message: expect.stringContaining('3 of 3 sleds hold all of it, 2 of these on every dataset'),
  });
});

test('while a silent sled or another Nexus may have the bytes it is blocked, and says who (P8)', () => {
  expect(stateOf([sled(1, half), silentSled(2)])).toMatchObject({
    state: 'blocked',
    code: 'RELEASE_BLOCKED',
    message: expect.stringContaining('unreachable sleds might have them'),
  });
  const at = (state: 'alive' | 'silent') => stateOf([sled(1, half)], new Map([[hash(2), state]]));
  expect(at('alive')).toMatchObject({
    state: 'blocked',
    message: expect.stringContaining('another Nexus holds'),
  });
  expect(at('silent')).toMatchObject({
    state: 'blocked',
    message: expect.stringContaining('start it, or upload'),
  });
});

test('a release that is safe and not complete is said to be safe, with its numbers (S24)', () => {
  const full = listing([
    [hash(1), 2],
    [hash(2), 2],
  ]);
  const sleds = [1, 2, 3].map(n => sled(n, full));
  expect(stateOf(sleds)).toEqual({ state: 'complete', message: undefined, code: undefined });
  expect(stateOf([...sleds, sled(4, half)])).toMatchObject({
    state: 'safe',
    message: 'release 1.0.0: 7 of 8 copies are held, 3 of 4 sleds hold all of it',
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
  expect(reasons.map(reason => reason.code)).toEqual([
    'SLED_UNREACHABLE',
    'SLED_WRITES_PAUSED',
    'TRANSFER_FAILED',
  ]);
  expect(reasons[0]?.message).toBe('sled sled-1: connection refused');
  expect(reasons[1]?.message).toContain('dataset full');
  expect(reasons[2]?.message).toMatch(/sled-3: 2 transfer\(s\) failed .* source \d hung up/);
  expect(
    sledReasons(sleds, [], 10).map(reason => reason.code),
    'a pause that is over is no reason',
  ).toEqual(['SLED_UNREACHABLE']);
});

test('a fleet that is smaller than the minimum is told so, once something is to be replicated (S7)', () => {
  expect(fleetReasons(wanted, [sled(1)], 3)).toMatchObject([{ code: 'TOO_FEW_SLEDS' }]);
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
  expect(worst([{ code: 'INSECURE_LISTEN', message: '' }])).toBe('ok');
  expect(
    worst([
      { code: 'RELEASE_REPLICATING', message: '' },
      { code: 'RELEASE_FAILED', message: '' },
      { code: 'SLED_UNREACHABLE', message: '' },
    ]),
  ).toBe('failed');
});

test('docs/operations.md explains every reason code once, with the verdict that it means, and no other', async () => {
  const text = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const documented = [...text.matchAll(/^\| `([A-Z_]+)` \| (ok|converging|degraded|failed) \| \S/gm)];
  const expected = Object.entries(reasonCodes);
  expect(documented.map(([, code, verdict]) => [code, verdict]).sort()).toEqual(expected.sort());
});

test('an archive whose recording was in doubt names the Nexus that has it, and no other (P8)', () => {
  const { state, message } = stateOf([sled(1, half)], new Map([[hash(2), 'here']]));
  expect(state).toBe('blocked');
  expect(message).toContain('this Nexus holds the archive');
  expect(message).not.toContain('another Nexus');
});
