import { expect, test } from 'vitest';
import { asGeneration } from '../../core/ids.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { digestOf, fakeConnection, fakeSled, hashOf, never } from '../fleet-client/fleet.fixture.ts';
import { askSleds, RECOVERY_ANSWER_TIMEOUT_MS } from './ask-sleds.ts';

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
  const sleds = [fakeSled(1), fakeSled(2)];
  for (const sled of sleds) {
    sled.config = { generation: asGeneration(7), artifacts: new Map([[hashOf(1), 1000]]) };
    sled.files.set(hashOf(1), new Uint8Array(1));
  }
  return { sleds, targets: sleds.map(({ target }) => target), connection: fakeConnection(sleds) };
};
const claim = { kind: 'claim', generation: 7, digest: digestOf([hashOf(1)]), held: [hashOf(1)] };

test('G8: a sled that never answers is silent after a bounded time, and the others have their answers', async () => {
  const { sleds, targets, connection } = setUp();
  sleds[0]!.fault.list = never;
  const { clock, asked, passes } = stoppedClock();
  const answers = askSleds({ connection, clock }, targets, {
    log: silentLogger,
    signal: new AbortController().signal,
  });
  passes();
  expect((await answers).map(({ answer }) => answer)).toEqual([
    { kind: 'silent', message: 'does not answer in time' },
    claim,
  ]);
  expect(asked).toEqual([RECOVERY_ANSWER_TIMEOUT_MS]);
});

test('S11: a bogus hash in a list is skipped, and so is an artifact on no dataset', async () => {
  const { sleds, targets, connection } = setUp();
  sleds[0]!.fault.list = async honest => ({
    ...honest,
    list: { ...honest.list, '../../etc/passwd': 2, [hashOf(2)]: 0 },
  });
  const { clock } = stoppedClock();
  const options = { log: silentLogger, signal: new AbortController().signal };
  const answers = await askSleds({ connection, clock }, targets, options);
  expect(answers.map(({ answer }) => answer)).toEqual([claim, claim]);
});

test('whoever asked and left is not answered', async () => {
  const { sleds, targets, connection } = setUp();
  sleds[0]!.fault.list = never;
  const left = new AbortController();
  const { clock } = stoppedClock();
  const answers = askSleds({ connection, clock }, targets, { log: silentLogger, signal: left.signal });
  left.abort(new Error('gone'));
  await expect(answers).rejects.toThrow('gone');
});
