import { afterEach, beforeEach, expect, test } from 'vitest';
import { FLOOR_DIGEST_HEADER, GENERATION_FLOOR_HEADER, HEADS_HEADER } from '../../api/internal-api.ts';
import { sledAgentInfo } from '../../api/sled-agent-info.fixture.ts';
import { asGeneration, SledId, TrustRootId } from '../../core/ids.ts';
import { sledReport } from '../../core/sled-report.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import { newId } from '../datastore/conformance/records.fixture.ts';
import {
  createTestWorld,
  type StartOptions,
  type TestNexus,
  type TestWorld,
} from '../process/nexus.fixture.ts';
import { REPLICATION_TASK } from '../replication/task.ts';
import { digestOf } from '../sleds/fleet.fixture.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
beforeEach(async () => {
  world = await createTestWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const uploadVersions = async (nexus: TestNexus, ...versions: string[]) => {
  for (const [index, systemVersion] of versions.entries()) {
    const number = index + 1;
    const release = await world.release({
      systemVersion,
      versions: { timestamp: number, snapshot: number, targets: number },
    });
    if (index === 0) await nexus.trust(release);
    await nexus.upload(release);
  }
};
const setTarget = (nexus: TestNexus, system_version: string, force?: 'true') =>
  nexus.operator.targetReleaseUpdate({ body: { system_version }, query: { force } }, wait);
const register = async (
  nexus: TestNexus,
  differing: Parameters<typeof sledAgentInfo>[0] = {},
  id = newId(SledId),
) => {
  const answer = await nexus.internal.sledAgentPut(
    { params: { sled_id: id }, body: sledAgentInfo(differing) },
    wait,
  );
  const { headers } = answer;
  return {
    id,
    floor: headers[GENERATION_FLOOR_HEADER],
    floorDigest: headers[FLOOR_DIGEST_HEADER],
    heads: headers[HEADS_HEADER],
  };
};

test('trust roots are added, listed, shown and deleted; a root that is not self-signed is refused', async () => {
  const nexus = await world.startNexus();
  const release = await world.release();
  const root = JSON.parse(Buffer.from(release.trustRoot).toString('utf8'));
  const added = await nexus.trust(release);
  expect(added.root_role).toEqual(root);
  const params = { trust_root_id: added.id };
  expect((await nexus.operator.trustRootList({ query: { limit: 10 } }, wait)).items).toEqual([added]);
  expect(await nexus.operator.trustRootView({ params }, wait)).toEqual(added);

  const edited = structuredClone(root);
  edited.signed.version = 2;
  await expect(nexus.operator.trustRootCreate({ body: edited }, wait)).rejects.toMatchObject({
    code: expect.stringMatching(/METADATA_INVALID|UNTRUSTED_SIGNATURES/),
  });
  await expect(nexus.operator.trustRootCreate({ body: { keys: {} } }, wait)).rejects.toMatchObject({
    code: 'METADATA_INVALID',
  });

  await nexus.operator.trustRootDelete({ params }, wait);
  await expect(nexus.operator.trustRootDelete({ params }, wait)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(
    nexus.operator.trustRootView({ params: { trust_root_id: newId(TrustRootId) } }, wait),
  ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(nexus.upload(release)).rejects.toMatchObject({ code: 'NO_TRUST_ROOT' });
});

test('an expired root can be trusted, since only its successors have to be current', async () => {
  const nexus = await world.startNexus();
  await nexus.trust(await world.release({ expired: ['root'] }));
});

test('the target release moves only forward, is shown in the status, and is not deleted', async () => {
  const nexus = await world.startNexus();
  await uploadVersions(nexus, '1.0.0', '1.1.0', '3.0.0');
  expect(await nexus.operator.updateStatus({}, wait)).toMatchObject({
    target_release: null,
    components_by_release_version: {},
    components_counted_by: 'held',
    suspended: true,
    contact_support: false,
  });
  await setTarget(nexus, '1.1.0', 'true');
  const status = await nexus.operator.updateStatus({}, wait);
  expect(status.target_release).toMatchObject({ version: '1.1.0' });

  const refusals = [
    ['1.1.0', 'TARGET_RELEASE_REFUSED', /already/],
    ['1.0.0', 'TARGET_RELEASE_REFUSED', /older/],
    ['3.0.0', 'TARGET_RELEASE_REFUSED', /skips/],
    ['9.9.9', 'NOT_FOUND', /9\.9\.9/],
  ] as const;
  for (const [version, code, message] of refusals)
    await expect(setTarget(nexus, version, 'true')).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  const remove = (system_version: string) =>
    nexus.operator.repositoryDelete({ params: { system_version } }, wait);
  await expect(remove('1.1.0')).rejects.toMatchObject({ code: 'RELEASE_IN_USE' });
  await remove('3.0.0');
  await expect(setTarget(nexus, '3.0.0', 'true')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(
    nexus.operator.recoveryFinish({ body: { system_version: '1.0.0' } }, wait),
  ).rejects.toMatchObject({ code: 'RECOVERY_NOT_NEEDED' });
});

test('a client that sends the token of a page alone goes on in the same order, and loses no release (PGT1)', async () => {
  const nexus = await world.startNexus();
  const versions = ['1.0.0', '1.1.0', '1.2.0', '1.10.0', '2.0.0'];
  await uploadVersions(nexus, ...versions);
  for (const sort_by of ['version_ascending', 'version_descending', undefined] as const) {
    const seen: string[] = [];
    let query: { limit: number; page_token?: string; sort_by?: typeof sort_by } = { limit: 2, sort_by };
    for (let pages = 0; pages < 3; pages += 1) {
      const { items, next_page } = await nexus.operator.repositoryList({ query }, wait);
      seen.push(...items.map(({ system_version }) => system_version));
      if (typeof next_page === 'string') query = { limit: 2, page_token: next_page };
    }
    expect(seen, String(sort_by)).toEqual(sort_by === 'version_ascending' ? versions : versions.toReversed());
  }
});

/** Sleds that hold everything, or nothing, of what they are configured to. */
const fleetOf = (holds: (serial: string) => boolean): StartOptions['replace'] => {
  let config: Parameters<SledConnection['putConfig']>[1] | undefined;
  return {
    connectSleds: () => ({
      scheme: 'http',
      revoke: async () => undefined,
      tellStatements: async () => [],
      auditHeads: async () => [],
      tellAuditHeads: async () => undefined,
      putBundle: async () => undefined,
      tellPrefixes: async () => undefined,
      tellRoots: async () => undefined,
      roots: async () => [],
      listUnless: async () => undefined,
      async putConfig(_sled, given) {
        config = given;
      },
      async list({ serial }) {
        const hashes = holds(serial) ? [...config!.artifacts.keys()] : [];
        return sledReport({
          generation: config!.generation,
          copies: new Map(hashes.map(hash => [hash, 1])),
          datasets: 1,
        });
      },
      async config() {
        if (config === undefined) throw new DepotError('NO_ARTIFACT_CONFIG', 'no config yet');
        const artifacts = new Set(config.artifacts.keys());
        return { generation: config.generation, digest: digestOf(artifacts), artifacts };
      },
      put: () => Promise.reject(new Error('nothing is put in this test')),
      copy: () => Promise.reject(new Error('nothing is copied in this test')),
      copyOutcome: () => Promise.reject(new Error('nothing is copied in this test')),
      readRange: () => Promise.reject(new Error('nothing is read in this test')),
      [Symbol.asyncDispose]: async () => undefined,
    }),
  };
};

test('a target has to be complete on every sled that answers, unless forced (B17)', async () => {
  let whole = false;
  const nexus = await world.startNexus({ replace: fleetOf(serial => whole || serial === 'A') });
  for (const serial of ['A', 'B']) await register(nexus, { baseboard: { serial, part: 'p', revision: 1 } });
  await uploadVersions(nexus, '1.0.0', '1.1.0');
  await nexus.services.driver.idle();
  await expect(setTarget(nexus, '1.0.0')).rejects.toMatchObject({
    code: 'RELEASE_NOT_COMPLETE',
    message: expect.stringMatching(/1 of 2 sleds/),
  });
  expect((await nexus.operator.updateStatus({}, wait)).components_by_release_version).toEqual({
    '1.1.0': 1,
    unknown: 1,
  });
  await setTarget(nexus, '1.0.0', 'true');

  whole = true;
  nexus.services.driver.activate(REPLICATION_TASK);
  await nexus.services.driver.idle();
  await setTarget(nexus, '1.1.0');
});

test('a registration is answered with the point of the database, and which of its heads the database knows (P13)', async () => {
  const nexus = await world.startNexus();
  const plain = await register(nexus);
  expect(plain).toMatchObject({ floor: '1', floorDigest: digestOf([]), heads: '' });
  await uploadVersions(nexus, '1.0.0');
  const { id, floor, floorDigest } = await register(nexus);
  expect(floor).toBe('2');
  expect(floorDigest).not.toBe(digestOf([]));
  const other = 'c'.repeat(64);
  const head = (generation: number, config_digest: string, lineage = true) => ({
    generation: asGeneration(generation),
    config_digest,
    lineage,
    kept: false,
  });
  const heads = [
    head(2, floorDigest!),
    head(1, digestOf([])),
    { ...head(2, other), kept: true },
    head(0, other),
    head(0, floorDigest!, false),
  ];
  const verdicts = ['known', 'known', 'unknown', 'unknown', 'known'];
  expect(await register(nexus, { heads }, id)).toMatchObject({
    heads: heads
      .map(({ generation, config_digest }, n) => `${generation}:${config_digest}=${verdicts[n]}`)
      .join(','),
  });
});

test('a registration is answered with the floor, read in that request; an older one is refused and changes nothing (P5)', async () => {
  const nexus = await world.startNexus();
  const { id, floor } = await register(nexus, { generation: asGeneration(2) });
  expect(floor).toBe('1');
  await uploadVersions(nexus, '1.0.0');
  const later = await register(nexus, { generation: asGeneration(3), repo_depot_port: 4001 }, id);
  expect(later.floor).toBe('2');
  const older = register(nexus, { generation: asGeneration(1), repo_depot_port: 4000 }, id);
  await expect(older).rejects.toMatchObject({ code: 'REGISTRATION_STALE' });
  const info = await nexus.internal.sledAgentGet({ params: { sled_id: id } }, wait);
  expect(info).toMatchObject({ generation: 3, repo_depot_port: 4001 });
  await expect(
    nexus.internal.sledAgentGet({ params: { sled_id: newId(SledId) } }, wait),
  ).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a new sled and a deleted release activate replication; a registration without news does not (B16)', async () => {
  const nexus = await world.startNexus({ replace: fleetOf(() => true) });
  const { driver } = nexus.services;
  const runs = async () => {
    await driver.idle();
    return driver.status(REPLICATION_TASK).last!.iteration;
  };
  await uploadVersions(nexus, '1.0.0');
  const atFirst = await runs();
  const { id } = await register(nexus);
  const afterNewSled = await runs();
  expect(afterNewSled).toBeGreaterThan(atFirst);
  await register(nexus, {}, id);
  expect(await runs()).toBe(afterNewSled);
  await nexus.operator.repositoryDelete({ params: { system_version: '1.0.0' } }, wait);
  expect(await runs()).toBeGreaterThan(afterNewSled);
});

test('the registration of an expunged sled is refused, since its certificate does not count (S23)', async () => {
  const nexus = await world.startNexus();
  const { id } = await register(nexus);
  await nexus.fleet.sledSetPolicy({ params: { sled_id: id }, body: { policy: 'expunged' } }, wait);
  const refusal = () =>
    register(nexus, { generation: asGeneration(9) }, id).then(
      () => 'none',
      error => error.code,
    );
  // Before this Nexus has learnt of the revocation, the row of the sled refuses it.
  expect(await refusal()).toMatch(/^(FORBIDDEN|UNAUTHORIZED|SLED_DECOMMISSIONED)$/);
  await expect.poll(refusal, { timeout: 30_000 }).toMatch(/^(FORBIDDEN|UNAUTHORIZED)$/);
});
