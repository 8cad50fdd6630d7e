/** Commands that sign with the key of an admin. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StatementList, StatementView } from '../../api/operator-statement-api.ts';
import { asGeneration } from '../../core/ids.ts';
import { parseStatement, type SignedStatement, type Statement, subjectOf } from '../../core/statement.ts';
import { type AdminKey, adminKeyPaths, makeAdminKey, verifyStatement } from '../../identity/admin-key.ts';
import { DepotError } from '../../lib/errors.ts';
import { generatePkcs1v15Key } from '../../signing/pkcs1v15-key.fixture.ts';
import { makeTestRelease } from '../../signing/release.fixture.ts';
import { keysForAllRoles } from '../../signing/sign-metadata.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import {
  serveTestNexus,
  TEST_TOKEN,
  type TestHandlers,
  testRecovery,
  testReplication,
  testSled,
} from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

const FLEET = 'test.example';
const [DIGEST, OTHER] = ['a'.repeat(64), 'b'.repeat(64)];
let directory: string;
let key: AdminKey;
let other: AdminKey;
let keyFile: string;
let otherFile: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-statements-'));
  key = await makeAdminKey(join(directory, 'fleet-ca'));
  other = await makeAdminKey(join(directory, 'other-ca'));
  keyFile = adminKeyPaths(join(directory, 'fleet-ca')).keyFile;
  otherFile = adminKeyPaths(join(directory, 'other-ca')).keyFile;
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const viewOf = (signed: SignedStatement): StatementView => {
  const statement = statementIn(signed);
  return {
    ...signed,
    ...{ id: statement.id, kind: statement.kind, subject: subjectOf(statement), time: statement.time },
    ...{ time_recorded: '2026-01-02T00:00:00.000Z', state: 'verified', counts: true },
  };
};
const statementIn = (signed: SignedStatement): Statement => {
  const parsed = parseStatement(signed.statement);
  if (parsed.kind === 'fault') throw new Error(parsed.fault);
  return parsed.statement;
};

type Against = TestHandlers & {
  readonly known?: Partial<StatementList>;
  readonly env?: Record<string, string>;
  /** Before Nexus answers with its statements. */
  readonly onList?: () => Promise<void>;
};

/** The statements that a Nexus was sent, each verified. */
const against = async ({ known, env = {}, onList, ...handlers }: Against, ...args: string[]) => {
  const sent: Statement[] = [];
  await using nexus = await serveTestNexus({
    ...handlers,
    statements: {
      async statementList() {
        await onList?.();
        return { items: [], fleet: FLEET, admin_keys: [key.digest], ...known };
      },
      async statementCreate({ body }) {
        const keys = { list: () => [key, other] };
        expect(verifyStatement(body, { keys, fleet: FLEET })).toMatchObject({ kind: 'verified' });
        sent.push(statementIn(body));
        return viewOf(body);
      },
    },
  });
  const environment = { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN, ...env };
  const run = await runTestCli(args, { environment, directory });
  return { ...run, sent, calls: nexus.received.calls };
};

const limited = (serial: string, digest: string | undefined, artifacts = 3) => ({
  ...testSled(),
  serial,
  generation: asGeneration(7),
  ...(digest !== undefined && { config_digest: digest }),
  deletions_limited: { artifacts, size_bytes: artifacts * 1024, first: [] },
});
const sleds: TestHandlers['fleet'] = {
  sledList: async () => ({
    items: [
      limited('a', DIGEST),
      limited('b', DIGEST, 5),
      limited('c', OTHER),
      limited('d', undefined),
      { ...testSled(), serial: 'e' },
    ],
    next_page: null,
  }),
};

test('deletions allow shows the point, artifacts and bytes of each sled, and signs nothing without --apply (T4)', async () => {
  const run = await against({ fleet: sleds }, 'deletions', 'allow');
  expect(run).toMatchObject({ exitCode: 0, err: '', sent: [] });
  expect(run.out).toContain(
    `At point 7:${DIGEST}:\n  a: 3 artifacts, 3.00 KiB\n  b: 5 artifacts, 5.00 KiB\n`,
  );
  expect(run.out).toContain('do not report their point: d.');
  expect(run.out).toContain('run it again with --apply');
});

test('deletions allow --apply signs one statement for each distinct point (T4)', async () => {
  const run = await against({ fleet: sleds }, 'deletions', 'allow', '--apply', '--admin-key', keyFile);
  expect(run.exitCode).toBe(0);
  expect(run.sent.map(each => ({ subject: subjectOf(each), fleet: each.fleet }))).toEqual([
    { subject: `allow_deletion 7:${DIGEST}`, fleet: FLEET },
    { subject: `allow_deletion 7:${OTHER}`, fleet: FLEET },
  ]);
  expect(run.out).toContain('allowed by 2 statements');
  const nothing = await against({}, 'deletions', 'allow', '--apply');
  expect(nothing).toMatchObject({ exitCode: 0, sent: [], out: expect.stringContaining('No deletion') });
});

test('without a key the error says where one is looked for; a key of another fleet, and one that others can read, are named', async () => {
  const args = ['deletions', 'allow', '--apply'];
  const none = await against({ fleet: sleds }, ...args);
  expect(none).toMatchObject({ exitCode: 1, sent: [] });
  expect(none.err).toMatch(
    /none was found \[CONFIG_INVALID\]\nfix: name its file with --admin-key or TUF_DEPOT_ADMIN_KEY/,
  );
  const wrong = await against({ fleet: sleds }, ...args, '--admin-key', otherFile);
  expect(wrong.err).toContain(
    `${otherFile} has the SHA-256 ${other.digest}, and this fleet believes ${key.digest}`,
  );
  await chmod(otherFile, 0o644);
  const open = await against({ fleet: sleds }, ...args, '--admin-key', otherFile);
  expect(open.err).toContain('can be read by other users');
  await chmod(otherFile, 0o600);
  expect([wrong, open].map(({ sent }) => sent.length)).toEqual([0, 0]);
});

test('a command that signs reads its token once: a pipe is empty the second time', async () => {
  const tokenFile = join(directory, 'token-pipe');
  await writeFile(tokenFile, TEST_TOKEN);
  const run = await against(
    { env: { TUF_DEPOT_TOKEN: '' }, onList: () => writeFile(tokenFile, '') },
    ...['statement', 'sign', 'trust-root', DIGEST, '--admin-key', keyFile, '--token-file', tokenFile],
  );
  expect(run).toMatchObject({ exitCode: 0, err: '', sent: [{ kind: 'trust_root', fleet: FLEET }] });
});

test('the key is found in the environment, and beside the logins, where one of another fleet is passed over (AKF1)', async () => {
  const args = ['deletions', 'allow', '--apply'];
  const named = await against({ fleet: sleds, env: { TUF_DEPOT_ADMIN_KEY: keyFile } }, ...args);
  expect(named.sent.length).toBe(2);
  const home = join(directory, 'home');
  await mkdir(join(home, 'tuf-depot'), { recursive: true });
  const pem = (of: AdminKey) => of.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const place = (name: string, of: AdminKey) =>
    writeFile(join(home, 'tuf-depot', name), pem(of), { mode: 0o600 });
  await place(`admin-key-${FLEET}.pem`, other);
  await place('admin-key.pem', key);
  const found = await against({ fleet: sleds, env: { XDG_CONFIG_HOME: home } }, ...args);
  expect(found.sent.length).toBe(2);
});

test('a statement is later than the recorded one about the same, whatever the clock says (CST2)', async () => {
  const time = '2200-01-01T00:00:00.000Z';
  const before = { subject: `root ${DIGEST}`, time } as StatementView;
  const items = [{ ...viewOf(await signedRoot()), ...before }];
  const run = await against(
    { known: { items } },
    'statement',
    'sign',
    'distrust-root',
    DIGEST,
    '--admin-key',
    keyFile,
  );
  expect(run.sent).toMatchObject([{ kind: 'distrust_root', time: '2200-01-01T00:00:00.001Z' }]);
});

const signedRoot = async (): Promise<SignedStatement> => {
  const { signStatement } = await import('../../identity/admin-key.ts');
  const id = '00000000-0000-4000-8000-000000000001';
  const time = '2026-01-01T00:00:00.000Z';
  return signStatement({ kind: 'trust_root', rootSha256: DIGEST, fleet: FLEET, id, time }, key);
};

test('trust-root delete signs that no root of the chain counts, or says what sleds go on believing (RDG1)', async () => {
  const release = await makeTestRelease(directory, { systemVersion: '1.2.0' });
  const other = await makeTestRelease(directory, { systemVersion: '1.3.0' });
  const texts = [release, other].map(({ trustRoot }) => Buffer.from(trustRoot).toString());
  const digests = [release, other].map(({ trustRoot }) => rootDigestOf(trustRoot));
  const expires = '2030-01-01T00:00:00.000Z';
  const deleted: string[] = [];
  const handlers: Against = {
    sources: {
      trustRootChain: async () => ({ roots: texts.map((root, at) => ({ version: at + 1, expires, root })) }),
    },
    updates: { trustRootDelete: async ({ params }) => void deleted.push(params.trust_root_id) },
  };
  const id = '5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7';
  const args = ['trust-root', 'delete', id];
  const signed = await against(handlers, ...args, '--admin-key', keyFile);
  expect(signed.exitCode).toBe(0);
  expect(signed.sent).toMatchObject(digests.map(rootSha256 => ({ kind: 'distrust_root', rootSha256 })));
  for (const digest of digests) expect(signed.out).toContain(digest);
  const none = await against(handlers, ...args);
  expect(none).toMatchObject({ exitCode: 0, sent: [] });
  expect(none.out).toContain('go on believing it');
  for (const digest of digests) expect(none.out).toContain(`statement sign distrust-root ${digest}`);
  const noKey = await against({ ...handlers, known: { admin_keys: [] } }, ...args);
  expect(noKey.out).toContain('This fleet has no admin key');
  expect(deleted).toEqual([id, id, id]);
});

test('recover generation --apply signs the points that it records, and changes nothing without the key of the fleet (P13)', async () => {
  const points = [{ generation: asGeneration(12), config_digest: DIGEST, sleds: [], artifacts: 3 }];
  const recovery = { generationRecoveryView: async () => testRecovery({ state: 'needed', points }) };
  const args = ['recover', 'generation', '--apply'];
  const signed = await against({ recovery }, ...args, '--admin-key', keyFile);
  expect(signed.exitCode).toBe(0);
  expect(signed.sent.map(subjectOf)).toEqual([`accept_points 12:${DIGEST}`]);
  const none = await against({ recovery }, ...args);
  expect(none).toMatchObject({ exitCode: 1, sent: [], calls: [] });
  expect(none.err).toContain(`only if the admin key ${key.digest} has signed it`);
  const withoutKeys = await against({ recovery, known: { admin_keys: [] } }, ...args);
  expect(withoutKeys).toMatchObject({ exitCode: 0, sent: [] });
});

test('trust-root add signs the root that it adds by what it says, and adds none without the key of the fleet (RDG1)', async () => {
  const release = await makeTestRelease(directory, { systemVersion: '1.2.0' });
  const rootSha256 = rootDigestOf(release.trustRoot);
  const signed = await against({}, 'trust-root', 'add', release.path, '--admin-key', keyFile);
  expect(signed.exitCode).toBe(0);
  expect(signed.sent).toMatchObject([{ kind: 'trust_root', rootSha256 }]);
  expect(signed.out).toContain(`root SHA-256: ${rootSha256}\n`);
  const text = JSON.stringify(JSON.parse(Buffer.from(release.trustRoot).toString()), null, 4);
  await writeFile(join(directory, 'pretty.json'), text);
  const pretty = await against({}, 'trust-root', 'add', 'pretty.json', '--admin-key', keyFile, '--json');
  expect(pretty.sent).toMatchObject([{ kind: 'trust_root', rootSha256 }]);
  expect(JSON.parse(pretty.out)).toMatchObject({ root_sha256: rootSha256 });
  expect(signed.out).toContain('Signed with the admin key');
  const none = await against({}, 'trust-root', 'add', release.path);
  expect(none).toMatchObject({ exitCode: 1, sent: [], out: '' });
});

test('trust-root add of a root in PKCS#1 v1.5 asks Nexus first, so that one that refuses it records no statement, and says what sleds need', async () => {
  const keys = keysForAllRoles([generatePkcs1v15Key()]);
  const release = await makeTestRelease(directory, { systemVersion: '1.3.0', keys });
  const args = ['trust-root', 'add', release.path, '--admin-key', keyFile];
  const updates: TestHandlers['updates'] = {
    trustRootCreate: async () => {
      throw new DepotError('UNTRUSTED_SIGNATURES', 'a key has a scheme that this Nexus does not accept', {
        detail: { remedy: 'accept_rsa_pkcs1v15 = true in [trust]' },
      });
    },
  };
  const refused = await against({ updates }, ...args);
  expect(refused).toMatchObject({ exitCode: 1, sent: [] });
  expect(refused.err).toContain('fix: accept_rsa_pkcs1v15 = true in [trust]');
  const added = await against({}, ...args);
  expect(added.sent).toMatchObject([{ kind: 'trust_root', rootSha256: rootDigestOf(release.trustRoot) }]);
  expect(added.out).toContain('only with accept_rsa_pkcs1v15 = true in [trust] of its sled-agent.toml');
});

/** Of 1.2.0, whose signatures cover some artifacts. */
const partly = (exempted = false): NonNullable<TestHandlers['fleet']> => ({
  releaseReplication: async () =>
    testReplication('1.2.0', { bundle: { sha256: OTHER, kind: 'partly', exempted } }),
});

test('repo upload says at once that sleds withhold a release with parts that nobody signed, and which command ends that (UX1)', async () => {
  const args = ['repo', 'upload', 'parts.zip'];
  await writeFile(join(directory, 'parts.zip'), 'an archive, as far as this Nexus looks');
  const withKey = await against({ fleet: partly(true) }, ...args);
  expect(withKey).toMatchObject({ exitCode: 0, sent: [] });
  expect(withKey.out).toContain(
    'sleds that require signatures withhold the others until an admin signs an exemption: tuf-depot repo exempt 1.2.0',
  );
  const json = await against({ fleet: partly() }, ...args, '--json');
  expect(JSON.parse(json.out)).toMatchObject({
    status: 'inserted',
    exemption: { state: 'needed', by: 'signature' },
  });
  const byWord = await against({ fleet: partly(), known: { admin_keys: [] } }, ...args);
  expect(byWord.out).toContain('withhold the others until an admin exempts it: tuf-depot repo exempt 1.2.0');

  const exempted = { subject: `exempt_release 1.2.0 ${OTHER}`, state: 'verified' } as StatementView;
  const quiet: Against[] = [
    { fleet: partly(true), known: { admin_keys: [] } },
    { fleet: { releaseReplication: async () => testReplication('1.2.0') } },
  ];
  for (const each of quiet) {
    const run = await against(each, ...args);
    expect(run.exitCode).toBe(0);
    expect(run.out).not.toContain('exempt');
  }
  expect(await exemptionAfter({ ...viewOf(await signedRoot()), ...exempted })).toEqual({
    state: 'not_needed',
  });
  expect(
    await exemptionAfter({ ...viewOf(await signedRoot()), ...exempted, state: 'refused' }),
  ).toMatchObject({
    state: 'needed',
  });
});

const exemptionAfter = async (statement: StatementView) => {
  const known = { items: [statement] };
  const run = await against({ fleet: partly(), known }, 'repo', 'upload', 'parts.zip', '--json');
  return JSON.parse(run.out).exemption;
};

test('an upload is recorded although what comes after it fails, and the answer says so (UX1)', async () => {
  const args = ['repo', 'upload', 'parts.zip'];
  const fails = async () => {
    throw new DepotError('DATABASE_UNAVAILABLE', 'the database is away');
  };
  const run = await against({ fleet: { releaseReplication: fails } }, ...args);
  expect(run.exitCode).toBe(0);
  expect(run.out).toContain('is not known (');
  expect(run.out).toContain('tuf-depot repo show 1.2.0');
  const asked = await against(
    { fleet: { releaseReplication: fails } },
    ...args,
    '--exempt',
    '--admin-key',
    keyFile,
  );
  expect(asked.exitCode).toBe(1);
  expect(asked.err).toContain('release 1.2.0 is recorded, but is not exempted');
  expect(asked.err).toContain('tuf-depot repo exempt 1.2.0');
});

test('repo upload --exempt signs the exemption after the upload, and sends nothing without the key of the fleet', async () => {
  const args = ['repo', 'upload', 'parts.zip', '--exempt'];
  const signed = await against({ fleet: partly() }, ...args, '--admin-key', keyFile);
  expect(signed.exitCode).toBe(0);
  expect(signed.sent).toMatchObject([{ kind: 'exempt_release', systemVersion: '1.2.0', bundle: OTHER }]);
  expect(signed.calls).toContainEqual({ exempted: '1.2.0' });
  expect(signed.out).toContain(`by the signed statement ${signed.sent[0]?.id}`);
  const repositoryUpload = async () => expect.fail('an archive was sent');
  const none = await against({ fleet: partly(), updates: { repositoryUpload } }, ...args);
  expect(none).toMatchObject({ exitCode: 1, sent: [], calls: [] });
  const bundle = { sha256: OTHER, kind: 'signed', exempted: false } as const;
  const fleet = { releaseReplication: async () => testReplication('1.2.0', { bundle }) };
  const whole = await against({ fleet }, ...args, '--admin-key', keyFile);
  expect(whole).toMatchObject({ exitCode: 0, sent: [], calls: [] });
});

test('repo exempt signs the bundle of the release, and exempts nothing without the key of the fleet', async () => {
  const bundle = { sha256: OTHER, kind: 'partly', exempted: false } as const;
  const releaseReplication = async () => testReplication('1.2.0', { bundle });
  const args = ['repo', 'exempt', '1.2.0'];
  const signed = await against({ fleet: { releaseReplication } }, ...args, '--admin-key', keyFile);
  expect(signed).toMatchObject({ exitCode: 0, calls: [{ exempted: '1.2.0' }] });
  expect(signed.sent).toMatchObject([{ kind: 'exempt_release', systemVersion: '1.2.0', bundle: OTHER }]);
  const none = await against({ fleet: { releaseReplication } }, ...args);
  expect(none).toMatchObject({ exitCode: 1, sent: [], calls: [] });
  const byWord = await against({ fleet: { releaseReplication }, known: { admin_keys: [] } }, ...args);
  expect(byWord).toMatchObject({ exitCode: 0, sent: [], calls: [{ exempted: '1.2.0' }] });
  expect(byWord.out).toContain('the word of this Nexus');
  const unknown = await against(
    { fleet: { releaseReplication: async () => testReplication('1.2.0') } },
    ...[...args, '--admin-key', keyFile],
  );
  expect(unknown).toMatchObject({ exitCode: 1, sent: [], calls: [] });
});

test('statement sign refuses an unknown kind and a subject of another form, and statement list shows which counts', async () => {
  const sign = (...args: string[]) => against({}, 'statement', 'sign', ...args, '--admin-key', keyFile);
  expect((await sign('delete-all', DIGEST)).err).toContain('kinds: allow-deletion');
  expect((await sign('trust-root', 'x')).exitCode).toBe(2);
  const id = '6e1f6d9b-2f8e-4f0e-9d5f-3f1d9d7c0f10';
  expect((await sign('restore-identity', `sled/${id}`)).sent).toMatchObject([
    { kind: 'restore_identity', identity: { kind: 'sled', id } },
  ]);
  const items = [{ ...viewOf(await signedRoot()), counts: false }];
  const list = await against({ known: { items } }, 'statement', 'list');
  expect(list.out).toMatch(new RegExp(`Admin key: ${key.digest}`));
  expect(list.out).toMatch(/verified, replaced by a later one .* trust_root: a{10}/);
  const empty = await against({ known: { admin_keys: [] } }, 'statement', 'list');
  expect(empty.out).toContain('verifies no statement');
});
