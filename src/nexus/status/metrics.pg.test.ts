/** Expiry in the status and in the metrics of a real Nexus, on a clock that the test moves. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { createNexus } from '../process/app.ts';
import { readNexusConfig } from '../process/config.ts';
import { createTestWorld, type TestWorld } from '../process/nexus.fixture.ts';

const DAY = 86_400_000;
const EXPIRES = Date.UTC(2030, 0, 1);
const { signal } = new AbortController();

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

test('expiry of roots and releases is warned of at 30, 14, 7 and 1 days, in the status and in the metrics', async () => {
  const release = await world.release({ expiresMs: EXPIRES });
  {
    const nexus = await world.startNexus();
    await nexus.trust(release);
    await nexus.upload(release);
    await nexus[Symbol.asyncDispose]();
  }
  let nowMs = 0;
  const config = await readNexusConfig(await world.writeConfig());
  await using nexus = await createNexus(config, {
    clock: { ...systemClock, nowMs: () => nowMs },
    rng: seededRng(1),
    log: silentLogger,
    drainTimeoutMs: 200,
  });
  const services = await nexus.started;
  const codesAt = async (days: number) => {
    nowMs = EXPIRES - days * DAY;
    const { status } = await services.metrics({ signal });
    const expiring = status.reasons.filter(({ code }) => /^(ROOT|METADATA)_EXPIR/.test(code));
    return expiring.map(({ code, details }) => `${code} ${details?.within_days ?? ''}`.trim());
  };
  expect(await codesAt(31)).toEqual([]);
  expect(await codesAt(30)).toEqual(['ROOT_EXPIRING 30', 'METADATA_EXPIRING 30']);
  expect(await codesAt(14)).toEqual(['ROOT_EXPIRING 14', 'METADATA_EXPIRING 14']);
  expect(await codesAt(7)).toEqual(['ROOT_EXPIRES_SOON 7', 'METADATA_EXPIRING 7']);
  expect(await codesAt(1)).toEqual(['ROOT_EXPIRES_SOON 1', 'METADATA_EXPIRING 1']);
  expect(await codesAt(0)).toEqual(['ROOT_EXPIRED', 'METADATA_EXPIRED']);
});

test('with metrics_access = "public" /metrics needs no token, and everything else does (MT3)', async () => {
  const nexus = await world.startNexus({ config: { metrics_access: 'public' } });
  const ask = async (path: string, more: Record<string, string> = {}) =>
    (await fetch(`http://${nexus.operatorAddress}${path}`, { headers: more })).status;
  expect(await ask('/metrics')).toBe(200);
  expect(await ask('/metrics', { 'sec-fetch-site': 'cross-site' }), 'of a page of another site').toBe(403);
  expect(await ask('/v1/system/fleet/status')).toBe(401);
});

test('/metrics has the verdict, requires the token, and its labels have few values (B18)', async () => {
  const nexus = await world.startNexus();
  const release = await world.release({ expiresMs: EXPIRES });
  await nexus.trust(release);
  await nexus.upload(release);
  const url = `http://${nexus.operatorAddress}/metrics`;
  expect((await fetch(url)).status).toBe(401);
  const answer = await fetch(url, { headers: { authorization: `Bearer ${nexus.token}` } });
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=/);
  const text = await answer.text();
  const samples = text.split('\n').filter(line => line !== '' && !line.startsWith('#'));
  const verdicts = samples.filter(line => line.startsWith('tuf_depot_health_verdict{'));
  expect(verdicts).toHaveLength(4);
  expect(verdicts.filter(line => line.endsWith(' 1'))).toHaveLength(1);
  for (const role of ['root', 'timestamp', 'snapshot', 'targets'])
    expect(samples).toContain(
      `tuf_depot_metadata_expires_timestamp_seconds{role="${role}"} ${EXPIRES / 1000}`,
    );
  expect(samples.length).toBeLessThan(80);
  expect(text).not.toContain(release.systemVersion);
});
