import { expect, test } from 'vitest';
import { asGeneration } from '../../core/ids.ts';
import type { PointClaim } from '../../core/lineage.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { digestOf, fakeConnection, fakeSled, hashOf, never, unreachable } from '../sleds/fleet.fixture.ts';
import { askSleds, RECOVERY_ANSWER_TIMEOUT_MS } from './ask-sleds.ts';

const wait = { signal: new AbortController().signal };

/** Time that passes when the test says so. */
const stoppedClock = () => {
  const timeout = new AbortController();
  const asked: number[] = [];
  const clock: Clock = {
    ...systemClock,
    timeout(ms) {
      asked.push(ms);
      return timeout.signal;
    },
  };
  return { clock, asked, passes: () => timeout.abort(new Error('time is up')) };
};
const setUp = () => {
  const sleds = [fakeSled(1), fakeSled(2)] as const;
  for (const sled of sleds) {
    sled.config = { generation: asGeneration(7), artifacts: new Map([[hashOf(1), 1000]]) };
    sled.files.set(hashOf(1), new Uint8Array(1));
  }
  const connection = fakeConnection(sleds);
  const ask = async () => {
    const deps = { connection, clock: stoppedClock().clock };
    const answers = await askSleds(
      deps,
      sleds.map(({ target }) => target),
      wait,
    );
    return answers.map(({ answer }) => answer);
  };
  return { sleds, connection, ask };
};
const point = (generation: number, n = 1, hasLineage = true) => ({
  generation: asGeneration(generation),
  digest: digestOf([hashOf(n)]),
  hasLineage,
});
const OWN = { kind: 'points', own: point(7), kept: [] };

test('each sled names the point of its config, whether it has a lineage, and what it keeps of other histories', async () => {
  const { sleds, ask } = setUp();
  sleds[0].hasLineage = false;
  sleds[1].fault.list = async honest => ({
    ...honest,
    pointsKept: [point(5, 2)],
  });
  expect(await ask()).toEqual([
    { kind: 'points', own: point(7, 1, false), kept: [] },
    { kind: 'points', own: point(7), kept: [point(5, 2)] },
  ]);
});

test('nothing is put to a sled, so that looking changes nothing', async () => {
  const { connection, ask } = setUp();
  await ask();
  expect(connection.log).toEqual(['list sled-1', 'list sled-2']);
});

test('a sled that does not compare points is asked for its config, and its point has no lineage', async () => {
  const { sleds, connection, ask } = setUp();
  sleds[0].target = { ...sleds[0].target, heads: null };
  expect(await ask()).toEqual([{ kind: 'points', own: point(7, 1, false), kept: [] }, OWN]);
  expect(connection.log).toEqual(['config sled-1', 'list sled-2']);
});

test('a sled without a config, or in doubt about its floor, is at the highest of the points that it registered', async () => {
  const { sleds, ask } = setUp();
  const head = (each: PointClaim, isKept = false) => ({ ...each, isKept });
  for (const sled of sleds)
    sled.target = {
      ...sled.target,
      heads: [head(point(3, 2)), head(point(9, 3)), head(point(20, 4), true), head(point(6))],
    };
  sleds[0].config = undefined;
  sleds[1].fault.list = async () => {
    throw new DepotError('AWAITING_FLOOR', 'a dataset is missing');
  };
  const answer = { kind: 'points', own: point(9, 3), kept: [point(6), point(3, 2), point(20, 4)] };
  expect(await ask()).toMatchObject([answer, answer]);
  sleds[0].target = { ...sleds[0].target, heads: [] };
  expect((await ask())[0]).toEqual({ kind: 'points', own: undefined, kept: [] });
});

test('a sled that cannot be reached is silent, and one that names no digest answers what makes no sense (G8)', async () => {
  const { sleds, ask } = setUp();
  sleds[0].fault.list = unreachable;
  sleds[1].fault.list = async honest => ({ ...honest, digest: undefined });
  expect(await ask()).toEqual([
    { kind: 'silent', message: 'connection refused' },
    { kind: 'bad_answer', message: 'it names no digest' },
  ]);
  sleds[1].fault.list = async () => {
    throw new DepotError('PEER_BAD_ANSWER', 'generation is above 2^53 - 1');
  };
  expect((await ask())[1]).toEqual({ kind: 'bad_answer', message: 'generation is above 2^53 - 1' });
});

test('a sled that never answers is silent after a bounded time, and the others have their answers (G8)', async () => {
  const { sleds, connection } = setUp();
  sleds[0].fault.list = never;
  const { clock, asked, passes } = stoppedClock();
  const answers = askSleds(
    { connection, clock },
    sleds.map(({ target }) => target),
    wait,
  );
  passes();
  expect((await answers).map(({ answer }) => answer)).toEqual([
    { kind: 'silent', message: 'does not answer in time' },
    OWN,
  ]);
  expect(asked).toEqual([RECOVERY_ANSWER_TIMEOUT_MS]);
});

test('a caller that has left is not answered', async () => {
  const { sleds, connection } = setUp();
  sleds[0].fault.list = never;
  const left = new AbortController();
  const { clock } = stoppedClock();
  const answers = askSleds(
    { connection, clock },
    sleds.map(({ target }) => target),
    { signal: left.signal },
  );
  left.abort(new Error('gone'));
  await expect(answers).rejects.toThrow('gone');
});
