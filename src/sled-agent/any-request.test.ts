import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyRequest, leastRequest, routesOf } from '../http/any-request.fixture.ts';
import { startTestSled } from './sled.fixture.ts';

const RUNS = 40;

test('no request that a schema accepts, or almost accepts, is a fault of a sled', async () => {
  await using sled = await startTestSled({ intervals: { stall_s: 1 } });
  const faults: string[] = [];
  const reached = new Set<string>();
  const servers = [
    [`http://${sled.agent.agentAddress}`, 'sledAgent'],
    [sled.depotUrl, 'depot'],
  ] as const;
  for (const [base, server] of servers)
    for (const route of routesOf(server))
      await fc.assert(
        fc.asyncProperty(anyRequest(route), async ({ path, init, said }) => {
          const answer = await fetch(`${base}${path}`, init);
          const text = await answer.text();
          if (!text.includes('"INVALID_REQUEST"')) reached.add(route.operationId);
          if (answer.status === 500) faults.push(`${said} ─▶ ${text}`);
        }),
        { numRuns: RUNS, examples: [[leastRequest(route)]] },
      );
  expect(faults).toEqual([]);
  // They reached what is behind the schemas.
  const tried = servers.flatMap(([, server]) => routesOf(server));
  expect(tried.map(({ operationId }) => operationId).filter(id => !reached.has(id))).toEqual([]);
});

test('an empty number is refused, and so is one that is not written in digits', async () => {
  await using sled = await startTestSled();
  const hash = 'a'.repeat(64);
  for (const generation of [
    '',
    '%20',
    '0x1',
    '1e3',
    '-1',
    '+1',
    '1.5',
    '9007199254740992',
    '99999999999999999999',
  ]) {
    const url = `http://${sled.agent.agentAddress}/artifacts/${hash}?generation=${generation}`;
    const answer = await fetch(url, { method: 'PUT', body: 'x' });
    expect([generation, answer.status, await answer.json()]).toMatchObject([
      generation,
      400,
      { error_code: 'INVALID_REQUEST', message: expect.stringContaining('query parameter generation') },
    ]);
  }
});
