import { expect, test } from 'vitest';
import type { FleetStatus } from '../../api/operator-fleet-api.ts';
import { DepotError } from '../../lib/errors.ts';
import { serveTestNexus, TEST_TOKEN, TIME, testReplication } from '../nexus.fixture.ts';
import { runTestCli, type TestRun } from '../run.fixture.ts';

const statusWith = async (changes: Partial<FleetStatus>): Promise<TestRun> => {
  await using nexus = await serveTestNexus();
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const status = JSON.parse((await runTestCli(['status', '--json'], { environment })).out);
  await using changed = await serveTestNexus({
    fleet: { fleetStatus: async () => ({ ...status, verdict: 'degraded', ...changes }) },
  });
  return await runTestCli(['status'], { environment: { ...environment, TUF_DEPOT_URL: changed.url } });
};

test('a status without its database names the outage and the age of its values, and exits with 5', async () => {
  const run = await statusWith({
    database: { state: 'unavailable', time_read: TIME, time_unavailable_since: TIME, age_s: 60 },
  });
  expect(run.exitCode).toBe(5);
  expect(run.out).toMatch(/database: +unavailable, first seen .* ago; last read .* ago/);
  expect(run.out).toMatch(/nexuses: +\d/);
});

test('the status of a Nexus that has never read its database invents no facts', async () => {
  const run = await statusWith({ database: { state: 'unavailable' } });
  expect(run.out).toMatch(/database: +unavailable; never read/);
  expect(run.out).toMatch(/generation: +not read yet/);
  expect(run.out).not.toContain('nexuses:');
});

test('a status whose database answers does not mention it', async () => {
  const run = await statusWith({ database: { state: 'answers', time_read: TIME } });
  expect(run.out).not.toContain('database:');
});

test('of many reasons alike the status names some, and says how many there are besides', async () => {
  const reason = { code: 'SLED_UNREACHABLE', message: 'sled-1 does not answer' };
  const reason_totals = [
    { code: 'SLED_UNREACHABLE', total: 9_000 },
    { code: 'REPLICATION_PAUSED', total: 1 },
  ];
  const paused = { code: 'REPLICATION_PAUSED', message: 'replication is paused' };
  const run = await statusWith({ reasons: [reason, paused], reason_totals });
  expect(run.out).toContain('and 8999 more of these [SLED_UNREACHABLE]');
  expect(run.out).not.toContain('more of these [REPLICATION_PAUSED]');
});

test('repo wait outlasts an outage of the database', async () => {
  let looks = 0;
  await using nexus = await serveTestNexus({
    fleet: {
      async releaseReplication() {
        looks += 1;
        if (looks < 3) throw new DepotError('DATABASE_UNAVAILABLE', 'the database does not answer');
        return testReplication('1.2.0', {
          state: 'complete',
          complete: true,
          safe: true,
          sleds_holding_all: 4,
        });
      },
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const run = await runTestCli(['repo', 'wait', '1.2.0'], { environment });
  expect(run).toMatchObject({ exitCode: 0, out: expect.stringContaining('1.2.0 is complete') });
});
