/** The history of a Nexus over its APIs and its database. */
import { expect, test } from 'vitest';
import {
  type FleetEventView,
  type HistoryQuery,
  operatorHistoryApi,
} from '../../api/operator-history-api.ts';
import { sledAgentInfo } from '../../api/sled-agent-info.fixture.ts';
import { SledId } from '../../core/ids.ts';
import { createApiClient } from '../../http/client.ts';
import { newId, version, wait } from '../datastore/conformance/records.fixture.ts';
import { createTestWorld, type TestNexus } from '../process/nexus.fixture.ts';

const historyOf = async (nexus: TestNexus, query: Partial<HistoryQuery> = {}): Promise<FleetEventView[]> => {
  await using client = createApiClient(operatorHistoryApi, {
    baseUrl: `http://${nexus.operatorAddress}`,
    token: nexus.token,
  });
  return [...(await client.fleetHistory({ query }, wait)).items];
};

/** What replication saw and did, which may have had a round or not. */
const OF_ROUNDS = new Set([
  'generation',
  'release_state',
  'sled_state',
  'put_config',
  'list',
  'local_repo_dropped',
]);

const told = (events: readonly FleetEventView[]) => events.map(({ kind }) => kind).toReversed();

test('what operators and sleds do to a Nexus is recorded, and is there at once and after a restart (S12, B5)', async () => {
  await using world = await createTestWorld();
  const nexus = await world.startNexus();
  const release = await world.release({ systemVersion: '1.0.0' });
  const root = await nexus.trust(release);
  await nexus.upload(release);
  await nexus.upload(release);
  const sledId = newId(SledId);
  const put = (info: ReturnType<typeof sledAgentInfo>) =>
    nexus.internal.sledAgentPut({ params: { sled_id: sledId }, body: info }, wait);
  await put(sledAgentInfo());
  await put(sledAgentInfo());
  await nexus.fleet.sledSetPolicy({ params: { sled_id: sledId }, body: { policy: 'expunged' } }, wait);
  await world.expireSled(sledId);
  await nexus.fleet.sledForget({ params: { sled_id: sledId } }, wait);
  await nexus.operator.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  await nexus.operator.trustRootDelete({ params: { trust_root_id: root.id } }, wait);

  const acts = (events: readonly FleetEventView[]) => events.filter(({ kind }) => !OF_ROUNDS.has(kind));
  const before = acts(await historyOf(nexus));
  expect(told(before)).toEqual([
    'nexus_started',
    'trust_root_added',
    'release_recorded',
    'local_repo_held',
    'release_recorded',
    'local_repo_held',
    'sled_registered',
    'sled_policy',
    'sled_forgotten',
    'release_deleted',
    'trust_root_deleted',
  ]);
  const [rootDeleted, deleted, forgotten, policy, registered, , again, , recorded] = before;
  expect([rootDeleted?.message, before.at(-2)?.message]).toEqual([
    `An operator deleted trust root ${root.id}.`,
    `An operator added trust root ${root.id} (root version 1).`,
  ]);
  expect(deleted).toMatchObject({ system_version: '1.0.0', generation: 3, details: { by: 'operator' } });
  expect(forgotten).toMatchObject({ sled_id: sledId, details: { serial: 'BRM42' } });
  expect(policy).toMatchObject({ sled_id: sledId, details: { policy: 'expunged' } });
  expect(registered).toMatchObject({
    sled_id: sledId,
    message: expect.stringContaining(sledId),
    details: { kind: 'sled_registered', serial: 'BRM42', address: expect.stringContaining('[::1]') },
  });
  expect(again).toMatchObject({ details: { was_there: true, upload_id: expect.any(String) } });
  expect(recorded).toMatchObject({ system_version: '1.0.0', generation: 2 });

  await nexus[Symbol.asyncDispose]();
  const restarted = await world.startNexus();
  const after = acts(await historyOf(restarted, { limit: 1000 }));
  // An archive that no round has dropped yet is held again.
  expect(told(after).slice(0, before.length + 2)).toEqual([
    ...told(before),
    'nexus_stopped',
    'nexus_started',
  ]);
  expect(acts(await historyOf(restarted, { sled_id: sledId })), 'filtered').toEqual([
    forgotten,
    policy,
    registered,
  ]);
  expect(await historyOf(restarted, { system_version: version('1.0.0'), limit: 1 })).toHaveLength(1);
});

test('a query that makes no sense is refused', async () => {
  await using world = await createTestWorld();
  const nexus = await world.startNexus();
  for (const query of [{ kind: 'nonsense' }, { since: 'yesterday' }, { sha256: 'x' }, { page_token: 'x' }]) {
    await expect(historyOf(nexus, query as never)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  }
});
