/** What a Nexus answers while its database is away: a real database behind a proxy that refuses. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sledAgentInfo } from '../../api/sled-agent-info.fixture.ts';
import { SledId } from '../../core/ids.ts';
import { type CuttingProxy, createCuttingProxy } from '../datastore/cutting-proxy.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from './nexus.fixture.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
let proxy: CuttingProxy;
beforeEach(async () => {
  world = await createTestWorld();
  proxy = await createCuttingProxy(world.database.connection);
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

const start = (untilStarted = true) =>
  world.startNexus({ config: { database: { url: proxy.connection } }, untilStarted });

const metricsOf = async ({ operatorAddress, token }: TestNexus): Promise<Map<string, number>> => {
  const answer = await fetch(`http://${operatorAddress}/metrics`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
  const lines = (await answer.text()).split('\n').filter(line => line !== '' && !line.startsWith('#'));
  return new Map(lines.map(line => [line.split(' ')[0]!, Number(line.split(' ')[1])] as const));
};

const codes = (reasons: readonly { code: string }[]): string[] => reasons.map(({ code }) => code);

test('status and metrics are answered while the database is away, with the last values, their age and the reason (S15)', async () => {
  const nexus = await start();
  const release = await world.release();
  await nexus.trust(release);
  await nexus.upload(release);
  const before = await nexus.fleet.fleetStatus({}, wait);
  expect(before).toMatchObject({ generation: 2, nexuses: { alive: 1 }, database: { state: 'answers' } });
  expect((await metricsOf(nexus)).get('tuf_depot_database_available')).toBe(1);

  proxy.setRefusing(true);
  const away = await nexus.fleet.fleetStatus({}, wait);
  expect(away).toMatchObject({ verdict: 'degraded', generation: 2, nexuses: { alive: 1 } });
  expect(away.database).toMatchObject({ state: 'unavailable', time_read: expect.any(String) });
  expect(codes(away.reasons)).toContain('DATABASE_UNAVAILABLE');
  const metrics = await metricsOf(nexus);
  expect(metrics.get('tuf_depot_database_available')).toBe(0);
  expect(metrics.get('tuf_depot_database_read_age_seconds')).toBeGreaterThan(0);
  expect(metrics.get('tuf_depot_generation')).toBe(2);
  expect(metrics.get('tuf_depot_health_reasons{code="DATABASE_UNAVAILABLE"}')).toBe(1);

  proxy.setRefusing(false);
  const back = await nexus.fleet.fleetStatus({}, wait);
  expect(back.database).toMatchObject({ state: 'answers', age_s: 0 });
  expect(codes(back.reasons)).not.toContain('DATABASE_UNAVAILABLE');
});

test('a Nexus that starts without its database reports in its status that it waits', async () => {
  proxy.setRefusing(true);
  const nexus = await start(false);
  const status = () => nexus.fleet.fleetStatus({}, wait);
  await expect.poll(async () => (await status()).database?.state).toBe('unavailable');
  const starting = await status();
  expect(starting.verdict).toBe('degraded');
  expect(starting.generation).toBe(0);
  expect(starting.database).not.toHaveProperty('time_read');
  expect(codes(starting.reasons)).toEqual(
    expect.arrayContaining(['NEXUS_STARTING', 'DATABASE_UNAVAILABLE', 'NOT_YET_LOOKED']),
  );
  const metrics = await metricsOf(nexus);
  expect(metrics.get('tuf_depot_database_available')).toBe(0);
  expect(metrics.has('tuf_depot_generation')).toBe(false);

  proxy.setRefusing(false);
  await nexus.started;
  expect(codes((await status()).reasons)).not.toContain('NEXUS_STARTING');
});

test('a sled that registers while the database is away retries, and is then accepted (P5)', async () => {
  const nexus = await start();
  const sled_id = SledId.parse('00000000-0000-4000-8000-000000000001');
  const register = () => nexus.internal.sledAgentPut({ params: { sled_id }, body: sledAgentInfo() }, wait);
  proxy.setRefusing(true);
  await expect(register()).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    detail: { status: 503, retry_after_s: 2 },
  });
  proxy.setRefusing(false);
  await register();
  expect((await nexus.fleet.sledView({ params: { sled_id } }, wait)).serial).toBe('BRM42');
});
