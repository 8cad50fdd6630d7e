import { expect, test } from 'vitest';
import { createSharedRun } from './shared-run.ts';

/** Work whose runs end when the test says so. */
const createWork = () => {
  const runs: PromiseWithResolvers<number>[] = [];
  const ask = createSharedRun(() => {
    const run = Promise.withResolvers<number>();
    runs.push(run);
    return run.promise;
  });
  return { runs, ask };
};

const turn = () => new Promise(resolve => setImmediate(resolve));

test('all who ask while a run is under way share one that begins after it, and none shares the one under way (SHR1)', async () => {
  const { runs, ask } = createWork();
  const first = ask();
  const others = [ask(), ask(), ask()];
  await turn();
  expect(runs).toHaveLength(1);
  runs[0]?.resolve(1);
  expect(await first).toBe(1);
  await turn();
  expect(runs).toHaveLength(2);
  const last = ask();
  runs[1]?.resolve(2);
  expect(await Promise.all(others)).toEqual([2, 2, 2]);
  await turn();
  runs[2]?.resolve(3);
  expect(await last).toBe(3);
});

test('nobody waits for a run that has ended, and of two who ask after it the second waits (SHR1)', async () => {
  const { runs, ask } = createWork();
  const first = ask();
  runs[0]?.resolve(1);
  await first;
  const [second, third] = [ask(), ask()];
  expect(runs).toHaveLength(2);
  runs[1]?.resolve(2);
  expect(await second).toBe(2);
  await turn();
  runs[2]?.resolve(3);
  expect(await third).toBe(3);
});

test('a run that fails also fails those that wait for the next one, and who asks later is served (SHR2)', async () => {
  const { runs, ask } = createWork();
  const asked = [ask(), ask(), ask()];
  runs[0]?.reject(new Error('lost'));
  for (const each of await Promise.allSettled(asked)) expect(each.status).toBe('rejected');
  expect(runs).toHaveLength(1);
  const later = ask();
  runs[1]?.resolve(2);
  expect(await later).toBe(2);
});
