/** A sled that a restored database has forgotten, over the APIs of a real Nexus. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { operatorInvitationApi } from '../../api/operator-invitation-api.ts';
import { sledAgentInfo } from '../../api/sled-agent-info.fixture.ts';
import { parseAuditContent } from '../../core/facts/audit.ts';
import { asGeneration, SledId } from '../../core/ids.ts';
import { createApiClient } from '../../http/client.ts';
import { newId } from '../datastore/conformance/records.fixture.ts';
import { createTestWorld, type TestNexus, type TestWorld } from '../process/nexus.fixture.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
let nexus: TestNexus;
beforeEach(async () => {
  world = await createTestWorld();
  nexus = await world.startNexus();
});
afterEach(() => world[Symbol.asyncDispose]());

const head = {
  ...{ generation: asGeneration(7), config_digest: 'a'.repeat(64), lineage: true, kept: false },
};
const registers = (sled_id: SledId, heads: (typeof head)[], serial = 'sled-1') =>
  nexus.internal.sledAgentPut(
    {
      params: { sled_id },
      body: sledAgentInfo({ heads, baseboard: { serial, part: 'generic', revision: 0 } }),
    },
    wait,
  );
const invitations = () =>
  createApiClient(operatorInvitationApi, {
    ...{ baseUrl: `http://${nexus.operatorAddress}`, token: nexus.token },
  });
const codesOf = async () =>
  (await nexus.fleet.fleetStatus({}, wait)).reasons
    .map(({ code }) => code)
    .filter(code => /PENDING/.test(code));
const listed = async () => (await nexus.fleet.sledList({ query: {} }, wait)).items.map(({ id }) => id);

test('a sled that a restored database has forgotten is pending: it is named by status and recover, counts nowhere, and is in service again once an admin approved it (RI4)', async () => {
  await using api = invitations();
  const id = newId(SledId);
  await registers(id, []);
  await registers(id, [head]);
  expect(await listed()).toEqual([id]);
  // The backup is from before it registered for the first time.
  await world.database.query('DELETE FROM sled');
  const pending = { code: 'SLED_PENDING', status: 403 };
  await expect(registers(id, [head])).rejects.toMatchObject(pending);
  await expect(registers(id, [head])).rejects.toMatchObject(pending);
  expect(await listed()).toEqual([]);
  expect(await codesOf()).toEqual(['SLED_PENDING']);
  const sled = { id, serial: 'sled-1', address: '[::1]:12345' };
  const { items } = await api.pendingSledList({}, wait);
  expect(items).toMatchObject([{ ...sled, generation: 7 }]);
  const recovery = await nexus.recovery.generationRecoveryView({ query: {} }, wait);
  expect(recovery).toMatchObject({ state: 'not_needed', pending_sleds: [sled] });

  await api.pendingSledApprove({ params: { sled_id: id } }, wait);
  await registers(id, [head]);
  expect(await listed()).toEqual([id]);
  expect([await codesOf(), (await api.pendingSledList({}, wait)).items]).toEqual([[], []]);
  const [entry] = await world.database.query<{ content: string }>(
    "SELECT content FROM audit_entry WHERE content LIKE '%sled_admitted%'",
  );
  expect(parseAuditContent(entry!.content)).toMatchObject({
    actor: { kind: 'break_glass' },
    action: {
      ...{ kind: 'sled_admitted', sledId: id, serial: 'sled-1' },
      publicKeySha256: items[0]!.public_key_sha256,
    },
  });
  await expect(api.pendingSledApprove({ params: { sled_id: id } }, wait)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('a sled without a config registers as a new one: nobody has asked anything of it yet (RI4)', async () => {
  await using api = invitations();
  const [fresh, other] = [newId(SledId), newId(SledId)];
  await registers(fresh, []);
  await expect(registers(other, [head], 'sled-2')).rejects.toMatchObject({ code: 'SLED_PENDING' });
  expect(await listed()).toEqual([fresh]);
  expect((await api.pendingSledList({}, wait)).items.map(({ serial }) => serial)).toEqual(['sled-2']);
});
