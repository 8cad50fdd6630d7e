/** The operator's API for the fleet: a real Nexus and database, and sleds that do what the test says. */
import { expect, test } from 'vitest';
import { sledAgentInfo } from '../../api/sled-agent-info.fixture.ts';
import { createTestWorld } from '../process/nexus.fixture.ts';
import { REPLICATION_TASK } from '../replication/task.ts';
import { fakeConnection, fakeSled, never } from '../sleds/fleet.fixture.ts';

const wait = { signal: new AbortController().signal };
const PATIENCE = { timeout: 50_000 };

test('after a failed release was uploaded again, a waiting client does not see it as failed (S13)', async () => {
  await using world = await createTestWorld();
  const sleds = [1, 2, 3].map(n => fakeSled(n));
  const connectSleds = () => ({ ...fakeConnection(sleds), [Symbol.asyncDispose]: async () => undefined });
  const config = { tuf_artifact_replication: { disable: false } };
  const nexus = await world.startNexus({ config, replace: { connectSleds } });
  for (const { target } of sleds) {
    const body = sledAgentInfo({
      baseboard: { serial: target.serial, part: 'generic', revision: 0 },
      heads: [],
    });
    await nexus.internal.sledAgentPut({ params: { sled_id: target.id }, body }, wait);
  }
  const release = await world.release({ systemVersion: '1.0.0' });
  await nexus.trust(release);
  await nexus.upload(release);
  const view = () => nexus.fleet.releaseReplication({ params: { system_version: '1.0.0' } }, wait);
  const localRepos = async () => (await nexus.fleet.fleetStatus({}, wait)).local_repos;
  await expect.poll(localRepos, PATIENCE).toBe(0);

  for (const sled of sleds) sled.files.clear();
  nexus.services.driver.activate(REPLICATION_TASK);
  await expect.poll(async () => (await view()).state, PATIENCE).toBe('failed');

  // From here on no round comes to an end.
  for (const sled of sleds) sled.fault.putConfig = never;
  expect(await nexus.upload(release)).toMatchObject({ status: 'already_exists' });
  expect(await view()).toMatchObject({ state: 'replicating', reasons: [{ code: 'NOT_YET_LOOKED' }] });

  const second = await world.release({ systemVersion: '1.1.0' });
  await nexus.trust(second);
  await nexus.upload(second);
  const unseen = await nexus.fleet.releaseReplication({ params: { system_version: '1.1.0' } }, wait);
  expect(unseen.bundle, 'an upload asks at once').toMatchObject({ kind: 'signed', exempted: false });
});

test('an expunged Nexus that still runs says so in its own status, and another one does not (S23, S12)', async () => {
  await using world = await createTestWorld();
  const expunged = await world.startNexus({ name: 'expunged' });
  const other = await world.startNexus({ name: 'other' });
  const { nexus_id } = await expunged.fleet.fleetStatus({}, wait);
  await expect(
    other.fleet.nexusExpunge({ params: { nexus_id }, query: {} }, wait),
    'while it runs',
  ).rejects.toMatchObject({ code: 'NEXUS_ALIVE' });
  await other.fleet.nexusExpunge({ params: { nexus_id }, query: { compromised: 'true' } }, wait);
  const codesOf = async ({ fleet }: typeof other) =>
    (await fleet.fleetStatus({}, wait)).reasons.map(({ code }) => code);
  expect(await codesOf(expunged)).toContain('NEXUS_EXPUNGED');
  expect(await codesOf(other)).not.toContain('NEXUS_EXPUNGED');
});
