import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asGeneration, InvitationId, SledId } from '../../core/ids.ts';
import { adminKeyPaths, makeAdminKey } from '../../identity/admin-key.ts';
import { DepotError } from '../../lib/errors.ts';
import { serveTestNexus, TEST_TOKEN, TIME } from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

const ID = InvitationId.parse('00000000-0000-4000-8000-0000000000cc');
const UNTIL = '2026-01-02T04:04:05.000Z';

const against = (...args: string[]) => invited(args, {}, {});

const invited = async (
  args: readonly string[],
  pins: { readonly admin_key_sha256?: string; readonly root_sha256s?: string[] },
  more: Readonly<Record<string, string>>,
  isBinding = true,
) => {
  const bodies: unknown[] = [];
  await using nexus = await serveTestNexus({
    invitations: {
      async invitationEnd({ params }) {
        bodies.push(params);
      },
      async invitationCreate({ body }) {
        bodies.push(body);
        const named = { fleet: 'prod.example.org', authority_key_sha256: 'ab'.repeat(32) };
        return {
          id: ID,
          state: 'open',
          time_created: TIME,
          time_expires: UNTIL,
          ...named,
          ...pins,
          ...(body.serial !== undefined && isBinding && { serial: body.serial }),
          token: 'tufjoin_1234',
        };
      },
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN, ...more };
  const sleds = await runTestCli(['sled', 'list', '--json'], { environment });
  const [first] = JSON.parse(sleds.out) as { id: string; serial: string }[];
  const run = await runTestCli(
    args.map(word => word.replace('FIRST', first!.serial)),
    { environment },
  );
  return { run, bodies, first: SledId.parse(first!.id) };
};

test('sled invite prints the token alone on standard output, and what to do with it beside it', async () => {
  const { run, bodies } = await against('sled', 'invite', '--for', '30m');
  expect(run).toMatchObject({ exitCode: 0, out: 'tufjoin_1234\n' });
  expect(run.err).toContain(`One machine may join prod.example.org with it until ${UNTIL}.`);
  expect(run.err).toContain('run this, paste the token when it asks for it, and press Enter:\n');
  expect(run.err).toMatch(/tuf-depot sled-agent join --config FILE -$/m);
  expect(run.err, 'the token is in no list of processes').not.toMatch(/join .*(TOKEN|tufjoin_)/);
  expect(bodies).toEqual([{ expires_in_s: 1_800 }]);
});

test('sled invite finds the sled to join as, or to replace, by its serial number', async () => {
  const as = await against('sled', 'invite', '--sled', 'FIRST');
  expect(as.bodies).toEqual([{ sled_id: as.first }]);
  const instead = await against('sled', 'invite', '--replaces', 'FIRST');
  expect(instead.bodies).toEqual([{ replaces_sled_id: instead.first }]);
});

test('sled invite names the serial number of the machine; a Nexus that ignores it has the invitation ended', async () => {
  const bound = await against('sled', 'invite', '--serial', 'BRM4227');
  expect(bound.run).toMatchObject({ exitCode: 0, out: 'tufjoin_1234\n' });
  expect(bound.run.err).toContain(
    'The machine with the serial number BRM4227 may join prod.example.org with it',
  );
  expect(bound.bodies).toEqual([{ serial: 'BRM4227' }]);
  const older = await invited(['sled', 'invite', '--serial', 'BRM4227'], {}, {}, false);
  expect(older.run).toMatchObject({ exitCode: 1, out: '' });
  expect(older.run.err).toContain(
    `does not know --serial, and would let any machine join with the invitation`,
  );
  expect(older.bodies).toEqual([{ serial: 'BRM4227' }, { invitation_id: ID }]);
});

test('sled approve lets the machine with a key join, and has no token', async () => {
  const key = 'cd'.repeat(32);
  const { run, bodies, first } = await against(
    'sled',
    'approve',
    key,
    '--sled',
    'FIRST',
    '--serial',
    'BRM4227',
  );
  expect(run).toMatchObject({ exitCode: 0, err: '' });
  expect(run.out).toContain(
    `The machine with the key ${key}, if it reports the serial number BRM4227, may join prod.example.org until ${UNTIL}.`,
  );
  expect(run.out).not.toContain('tufjoin_');
  expect(bodies).toEqual([{ public_key_sha256: key, sled_id: first, serial: 'BRM4227' }]);
});

test('sled approve lets a sled register that the database does not know, by its id or serial number (RI4)', async () => {
  const sled = {
    ...{ id: SledId.parse('00000000-0000-4000-8000-0000000000ee'), serial: 'BRM42', address: '[::1]:1' },
    ...{ public_key_sha256: 'cd'.repeat(32), generation: asGeneration(7) },
    ...{ time_first_asked: TIME, time_last_asked: TIME },
  };
  const approved: string[] = [];
  await using nexus = await serveTestNexus({
    invitations: {
      pendingSledList: async () => ({ items: [sled], next_page: null }),
      async pendingSledApprove({ params }) {
        approved.push(params.sled_id);
      },
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const cli = (...args: string[]) => runTestCli(['sled', ...args], { environment });
  const list = await cli('list', '--pending');
  expect(list.out).toMatch(new RegExp(`BRM42 +${sled.id} +7 `));
  expect(list.err).toContain('a restore may have forgotten them');
  for (const name of ['BRM42', sled.id]) {
    const run = await cli('approve', name);
    expect(run).toMatchObject({ exitCode: 0, err: '' });
    expect(run.out).toContain(`Sled BRM42 (${sled.id}) is approved, with the key ${sled.public_key_sha256}.`);
  }
  expect(approved).toEqual([sled.id, sled.id]);
  const unknown = await cli('approve', 'CD');
  expect(unknown).toMatchObject({ exitCode: 1, out: '' });
  expect(unknown.err).toContain('the digest of a key has 64 lower-case hex digits');
  expect(await cli('approve', 'BRM42', '--sled', 'FIRST')).toMatchObject({ exitCode: 2 });
  expect(approved).toHaveLength(2);
});

test.each([
  [[], 'the token of an invitation is missing'],
  [['tufjoin_x', '--fleet', 'a'], 'a token names the fleet and its authority'],
  [['--fleet', 'prod.example.org'], 'the token of an invitation is missing'],
  [['--fleet', 'A', '--authority-key', 'ab'.repeat(32)], '--fleet A is no name of a fleet'],
  [['--fleet', 'a', '--authority-key', 'ab'], '--authority-key: ab is no SHA-256'],
])('sled-agent join %j is wrong usage: %s', async (args, message) => {
  const run = await runTestCli(['sled-agent', 'join', '--config', 'x.toml', ...args]);
  expect(run).toMatchObject({ exitCode: 2, out: '' });
  expect(run.err).toContain(message);
});

test('sled invitations has the state of each, and who joined; sled uninvite ends one', async () => {
  const sled_id = SledId.parse('00000000-0000-4000-8000-0000000000ee');
  const ended: unknown[] = [];
  const times = { time_created: TIME, time_expires: UNTIL };
  await using nexus = await serveTestNexus({
    invitations: {
      invitationList: async () => ({
        items: [
          { id: ID, state: 'open', ...times, serial: 'BRM4227' },
          { id: InvitationId.parse(sled_id), state: 'used', ...times, joined_sled_id: sled_id },
        ],
        next_page: null,
      }),
      async invitationEnd({ params }) {
        ended.push(params.invitation_id);
      },
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const run = (...args: string[]) => runTestCli(['sled', ...args], { environment });
  const { out } = await run('invitations');
  expect(out).toMatch(new RegExp(`^${ID} +open .* a new one +BRM4227 +- +-$`, 'm'));
  expect(out).toMatch(new RegExp(`used .* ${sled_id}$`, 'm'));
  expect(await run('uninvite', ID)).toMatchObject({ exitCode: 0, out: `Invitation ${ID} is ended.\n` });
  expect(ended).toEqual([ID]);
  expect(await run('uninvite', 'x')).toMatchObject({ exitCode: 2 });
});

test('a sled that joined, and has not registered, is expunged and forgotten by its id', async () => {
  const id = '00000000-0000-4000-8000-0000000000dd';
  const policies: unknown[] = [];
  await using nexus = await serveTestNexus({
    fleet: {
      async sledView() {
        throw new DepotError('NOT_FOUND', 'it has not registered');
      },
      async sledSetPolicy({ params, body }) {
        policies.push([params.sled_id, body.policy]);
      },
      async sledForget({ params }) {
        policies.push([params.sled_id, 'forgotten']);
      },
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const set = (name: string) => runTestCli(['sled', 'set-policy', name, 'expunged'], { environment });
  expect(await set(id)).toMatchObject({ exitCode: 0, out: `Sled ${id} is expunged.\n` });
  expect(await set('no-such-serial')).toMatchObject({ exitCode: 1 });
  expect(await runTestCli(['sled', 'forget', id], { environment })).toMatchObject({
    ...{ exitCode: 0, out: `Sled ${id} is forgotten.\n` },
  });
  expect(policies).toEqual([
    [id, 'expunged'],
    [id, 'forgotten'],
  ]);
});

test.each([
  [['--for', '59s'], '--for 59s is not a time that an invitation may be valid'],
  [['--for', '8d'], '--for 8d is not a time'],
  [['--serial', 'BRM\u200b4227'], 'is no serial number'],
  [['--sled', 'FIRST', '--replaces', 'FIRST'], '--sled and --replaces exclude each other'],
])('sled invite %j is wrong usage: %s', async (args, message) => {
  const { run, bodies } = await against('sled', 'invite', ...args);
  expect(run).toMatchObject({ exitCode: 2, out: '' });
  expect(run.err).toContain(message);
  expect(bodies).toEqual([]);
});

test('sled invite says what the machine pins, knows the own admin key, and shows no token for another one', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'admin-key-'));
  try {
    const { digest } = await makeAdminKey(directory);
    const named = { TUF_DEPOT_ADMIN_KEY: adminKeyPaths(directory).keyFile };
    const root = 'cd'.repeat(32);
    const own = await invited(['sled', 'invite'], { admin_key_sha256: digest, root_sha256s: [root] }, named);
    expect(own.run).toMatchObject({ exitCode: 0, out: 'tufjoin_1234\n' });
    expect(own.run.err).toContain(`pins your own admin key, with the SHA-256 ${digest}`);
    expect(own.run.err).toContain(root);
    const other = await invited(['sled', 'invite'], { admin_key_sha256: 'ef'.repeat(32) }, named);
    expect(other.run.exitCode).not.toBe(0);
    expect(other.run.out).not.toContain('tufjoin_');
    expect(other.run.err).toContain(`tuf-depot sled uninvite ${ID}`);
    const none = await invited(['sled', 'invite'], {}, {});
    expect(none.run.err).toContain('names no trust root and no admin key');
  } finally {
    await rm(directory, { recursive: true });
  }
});
