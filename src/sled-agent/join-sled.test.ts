/** A machine joins over TLS at a Nexus whose database is in memory: what is sent to whom, and what is on the disk after it. */

import { createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createMemoryDatabase } from '../../sim/datastore/memory-database.ts';
import { type JoinedFleet, joinApi } from '../api/join-api.ts';
import { InvitationId, NexusId, SledId } from '../core/ids.ts';
import { createPendingJoins } from '../core/pending-joins.ts';
import { seededRng } from '../core/rng.ts';
import { bindApi } from '../http/handlers.ts';
import { serveApi } from '../http/server.ts';
import { countsSinceMs } from '../identity/certificate.ts';
import {
  replaceableCredentials,
  type TestFleetIdentity,
  testFleetIdentity,
  validNow,
  writeAuthority,
} from '../identity/identity.fixture.ts';
import {
  type InvitedPins,
  keyInvitationSha256,
  makeInvitationToken,
  publicKeySha256,
} from '../identity/invitation-token.ts';
import { issueCertificate } from '../identity/issue.ts';
import { openIssuer } from '../identity/issuer.ts';
import type { JoinOptions } from '../join/join-fleet.ts';
import { systemClock } from '../lib/clock.ts';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { LOCK_FILE } from '../lib/exclusive-lock.ts';
import { silentLogger } from '../lib/log.ts';
import { tokenDigest } from '../lib/operator-token.ts';
import { type FleetPins, NO_FLEET_PINS } from '../nexus/api/fleet-pins.ts';
import { createJoinApi } from '../nexus/api/join-api.ts';
import { learnRevocations } from '../nexus/background/revocation-task.ts';
import { registration } from '../nexus/datastore/conformance/records.fixture.ts';
import type { NewInvitation } from '../nexus/datastore/ports/invitation-port.ts';
import { createOriginOfMachine } from '../nexus/operators/audit-origin.ts';
import { rootDigestOf } from '../tuf/root-digest.ts';
import { readSledAgentConfig } from './config.ts';
import { joinSled } from './join-sled.ts';
import { createSigner } from './trust/trust.fixture.ts';

const wait = { signal: new AbortController().signal };
const fleet = testFleetIdentity('prod.example.org');
const authoritySha256 = publicKeySha256(fleet.authority.certificate.publicKey);
const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

const newDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'join-'));
  directories.push(directory);
  return directory;
};

type Datastore = ReturnType<ReturnType<typeof createMemoryDatabase>['openDatastore']>;
const openDatastore = (): Datastore =>
  createMemoryDatabase({ nowMs: systemClock.nowMs }).openDatastore({
    ...{ clock: systemClock, rng: seededRng(1), log: silentLogger },
  });

const invite = async (
  datastore: Datastore,
  differing: Partial<NewInvitation> = {},
  pins?: InvitedPins,
): Promise<string> => {
  const token = makeInvitationToken({ fleet: fleet.fleet, authoritySha256, pins });
  const id = InvitationId.parse(randomUUID());
  const sha256 = tokenDigest(token);
  await datastore.invitationCreate(
    { ...{ id, sha256, sledId: null, replacesSledId: null, serial: null, lifeMs: 60_000 }, ...differing },
    wait,
  );
  return token;
};

type Answer = Omit<JoinedFleet, 'sled_id'> & { readonly sled_id: string };

type NexusOptions = {
  readonly identity?: TestFleetIdentity;
  readonly kind?: 'nexus' | 'sled';
  readonly hasAuthority?: boolean;
  readonly pins?: Pick<FleetPins, 'offered'>;
  /** The answer to a request that was carried out. */
  readonly onAnswer?: (answer: Answer) => Answer;
};

/** A Nexus, and the requests that reached it. */
const startNexus = async (
  datastore: Pick<Datastore, 'sledJoin' | 'nexusJoin' | 'isKeyDenied' | 'revocationList'>,
  {
    identity = fleet,
    kind = 'nexus',
    hasAuthority = true,
    pins = NO_FLEET_PINS,
    onAnswer,
  }: NexusOptions = {},
) => {
  const directory = await newDirectory();
  await writeAuthority(directory, identity.authority);
  const credentials = replaceableCredentials(identity.issue(kind));
  const { revocations } = credentials;
  const issuer = await openIssuer(directory, {
    fleet: identity.fleet,
    nowMs: systemClock.nowMs,
    acceptedPem: () => credentials.current().authoritiesPem,
  });
  const requests: unknown[] = [];
  const expunged: unknown[] = [];
  const handlers = createJoinApi({
    datastore,
    issuer: hasAuthority ? issuer : undefined,
    originOfMachine: createOriginOfMachine({ nexusId: NexusId.parse(randomUUID()), newId: randomUUID }),
    newId: randomUUID,
    note: event => expunged.push(event),
    activateReplication: () => undefined,
    learnRevocations: options => learnRevocations({ datastore, revocations }, options),
    announceRevocations: () => undefined,
    pins,
    pendingJoins: createPendingJoins(),
    clock: systemClock,
  });
  const sledJoin: typeof handlers.sledJoin = async request => {
    requests.push(request.body);
    const answer = await handlers.sledJoin(request);
    return onAnswer?.(answer) ?? answer;
  };
  const server = await serveApi({
    apis: [bindApi(joinApi, { ...handlers, sledJoin })],
    ...{ listen: { host: '127.0.0.1', port: 0 }, credentials, log: silentLogger },
  });
  return {
    ...{ requests, expunged, address: server.address },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};

/** The configuration of a machine that has nothing yet. */
const newMachine = async (nexuses: readonly string[], more = '') => {
  const directory = await newDirectory();
  const config = join(directory, 'sled-agent.toml');
  const identity = join(directory, 'identity');
  const section = ['certificate', 'key', 'ca']
    .map(name => `${name}_file = "identity/${name}.pem"\n`)
    .join('');
  await writeFile(
    config,
    `serial = "S1"\nnexus = ${JSON.stringify(nexuses)}\ndatasets = ["m2-a"]\n${more}[identity]\n${section}`,
  );
  const read = (name: string) => readFile(join(identity, `${name}.pem`), 'utf8');
  const files = () =>
    readdir(identity).then(
      names => names.filter(name => name !== LOCK_FILE).sort(),
      () => [],
    );
  const join_ = (by: JoinOptions['by'], nexus?: string) =>
    joinSled(config, { by, nexus, clock: systemClock, ...wait });
  return { directory, config, identity, read, files, join: join_ };
};

test('of two joins at once on one machine one is refused, and the other one has its certificate (JC6, P12)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  const tokens = [await invite(datastore), await invite(datastore)];
  const codes = await Promise.all(tokens.map(token => machine.join(token).then(() => 'joined', errorCodeOf)));
  expect(codes.sort()).toEqual(['IN_USE_BY_PROCESS', 'joined']);
  expect(nexus.requests).toHaveLength(1);
});

test('a machine joins: its key stays on it, and its agent starts as the sled that Nexus made (T1b)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  const joined = await machine.join(await invite(datastore));
  expect(joined).toMatchObject({
    identity: { fleet: 'prod.example.org', kind: 'sled' },
    nexus: nexus.address,
  });
  expect((await readSledAgentConfig(machine.config)).sledId).toBe(joined.sledId);
  expect(await machine.files()).toEqual(['ca.pem', 'certificate.pem', 'key.pem']);
  expect((await stat(join(machine.identity, 'key.pem'))).mode & 0o777).toBe(0o600);
  expect(JSON.stringify(nexus.requests)).not.toContain('PRIVATE');
  expect(await machine.read('ca')).toBe(fleet.authority.certificate.toString());
});

test('a lost answer is repeated by the same command, and nothing is half done in between (JC2)', async () => {
  const datastore = openDatastore();
  const lost = () => {
    throw new DepotError('SHUTTING_DOWN', 'the answer is lost');
  };
  await using nexus = await startNexus(datastore, { onAnswer: lost });
  const machine = await newMachine([nexus.address]);
  const token = await invite(datastore);
  await expect(machine.join(token)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  expect(await machine.files()).toEqual(['key.pem']);
  const key = await machine.read('key');
  await using again = await startNexus(datastore);
  const { sledId } = await machine.join(token, again.address);
  expect(await machine.read('key')).toBe(key);
  expect(await machine.join(token, again.address), 'also once it has the certificate').toMatchObject({
    sledId,
  });
});

test('a join that cannot write the certificate is repeated with the same key, once it can (JC2)', async () => {
  const datastore = openDatastore();
  const obstacles: string[] = [];
  const onAnswer = (answer: Answer): Answer => {
    for (const path of obstacles) mkdirSync(path);
    return answer;
  };
  await using nexus = await startNexus(datastore, { onAnswer });
  const machine = await newMachine([nexus.address]);
  const token = await invite(datastore);
  obstacles.push(join(machine.identity, 'ca.pem'));
  await expect(machine.join(token)).rejects.toThrow();
  expect(await machine.files()).toEqual(['ca.pem', 'key.pem']);
  const key = await machine.read('key');
  for (const path of obstacles.splice(0)) await rm(path, { recursive: true });
  await machine.join(token);
  expect(await machine.read('key')).toBe(key);
  expect(await machine.files()).toEqual(['ca.pem', 'certificate.pem', 'key.pem']);
});

test('what a killed join has half written is removed by the next one, and nothing of others is', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  await mkdir(machine.identity);
  for (const name of ['.tmp-key.pem-1', '.tmp-ca.pem-1', '.tmp-certificate.pem-1', '.tmp-other.pem-1'])
    await writeFile(join(machine.identity, name), 'half');
  await machine.join(await invite(datastore));
  expect(await machine.files()).toEqual(['.tmp-other.pem-1', 'ca.pem', 'certificate.pem', 'key.pem']);
});

test('without a token a machine waits until an admin approves its key, at a Nexus that it has verified (T1b)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  await using other = await startNexus(datastore, { identity: testFleetIdentity('prod.example.org') });
  const machine = await newMachine([other.address, nexus.address]);
  const waiting: string[] = [];
  let pauses = 0;
  const sleep = async (): Promise<void> => {
    pauses += 1;
    if (pauses < 3) return;
    const [keySha256] = waiting;
    const sha256 = keyInvitationSha256(keySha256!);
    const id = InvitationId.parse(randomUUID());
    const named = { id, sha256, keySha256, sledId: null, replacesSledId: null, serial: null, lifeMs: 60_000 };
    await datastore.invitationCreate(named, wait);
  };
  const { sledId } = await joinSled(machine.config, {
    by: { fleet: fleet.fleet, authoritySha256 },
    ...{ onWaiting: key => waiting.push(key), clock: { sleep }, signal: wait.signal },
  });
  const key = createPublicKey(await machine.read('key'));
  expect(waiting).toEqual([publicKeySha256(key)]);
  expect(pauses).toBe(3);
  expect(await datastore.sledKeyGet(sledId, publicKeySha256(key), wait)).toMatchObject({ key: { sledId } });
  expect(other.requests).toEqual([]);
});

test('a machine that waits for its approval goes on while no Nexus answers, says so once, and ends at a refusal', async () => {
  const datastore = openDatastore();
  const faults: DepotError[] = [];
  const sledJoin: Datastore['sledJoin'] = async (...args) => {
    const fault = faults.pop();
    if (fault !== undefined) throw fault;
    return datastore.sledJoin(...args);
  };
  await using nexus = await startNexus({ ...datastore, sledJoin });
  const machine = await newMachine([nexus.address]);
  const told: unknown[] = [];
  const joinWith = (sleep: () => Promise<void>) =>
    joinSled(machine.config, {
      by: { fleet: fleet.fleet, authoritySha256 },
      onUnanswered: error => told.push(errorCodeOf(error)),
      ...{ clock: { sleep }, signal: wait.signal },
    });
  const nothing = async (): Promise<void> => undefined;
  const codes = ['SHUTTING_DOWN', 'TOO_MANY_REQUESTS', 'DATABASE_UNAVAILABLE'] as const;
  faults.push(new DepotError('DATABASE_UNAVAILABLE', 'away'));
  await expect(joinWith(nothing), 'before the first answer').rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
  });
  faults.push(new DepotError('SLED_KEY_IN_USE', 'another sled has it'));
  for (let round = 0; round < 2; round += 1) {
    for (const code of codes) faults.push(new DepotError(code, 'a while'));
    faults.push(new DepotError('JOIN_NOT_APPROVED', 'not yet'));
  }
  await expect(joinWith(nothing)).rejects.toMatchObject({ code: 'SLED_KEY_IN_USE' });
  expect(told).toEqual(['DATABASE_UNAVAILABLE', 'DATABASE_UNAVAILABLE']);
});

test('a Nexus that serves other machines that join is asked again, for a while (JH3)', async () => {
  const datastore = openDatastore();
  let busy = 3;
  const sledJoin: Datastore['sledJoin'] = async (...args) => {
    busy -= 1;
    if (busy >= 0) throw new DepotError('TOO_MANY_REQUESTS', 'others join');
    return datastore.sledJoin(...args);
  };
  await using nexus = await startNexus({ ...datastore, sledJoin });
  const machine = await newMachine([nexus.address]);
  const by = await invite(datastore);
  const clock = { sleep: async () => undefined };
  await joinSled(machine.config, { by, clock, ...wait });
  busy = Number.POSITIVE_INFINITY;
  await expect(joinSled(machine.config, { by, clock, ...wait })).rejects.toMatchObject({
    code: 'TOO_MANY_REQUESTS',
  });
});

test('another machine with the same token is refused, and learns as whom the first one joined (JD1)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  await using other = await startNexus(datastore);
  const first = await newMachine([nexus.address]);
  const second = await newMachine([nexus.address, other.address]);
  const token = await invite(datastore);
  const { sledId } = await first.join(token);
  await expect(second.join(token)).rejects.toMatchObject({
    code: 'INVITATION_USED',
    message: expect.stringContaining(`sled ${sledId} joined with invitation`),
  });
  expect(await second.files()).toEqual(['key.pem']);
  expect(other.requests, 'a refusal is that of the fleet').toEqual([]);
  await second.join(await invite(datastore));
});

test.each([
  ['of another authority', { identity: testFleetIdentity('prod.example.org') }],
  ['that is a sled of this fleet', { kind: 'sled' as const }],
])('a server %s receives nothing, and is named (JC1)', async (_name, options) => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore, options);
  const machine = await newMachine([nexus.address]);
  const token = await invite(datastore);
  await expect(machine.join(token)).rejects.toMatchObject({ code: 'PEER_IDENTITY' });
  expect(nexus.requests).toEqual([]);
  await using good = await startNexus(datastore);
  await machine.join(token, good.address);
});

test('a token of another fleet of the same authority goes nowhere (JC1)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  const token = makeInvitationToken({ fleet: 'other.example.org', authoritySha256 });
  await expect(machine.join(token)).rejects.toMatchObject({
    code: 'PEER_IDENTITY',
    message: expect.stringContaining('any nexus of the fleet other.example.org'),
  });
  expect(nexus.requests).toEqual([]);
});

test('damaged, unknown and expired tokens are refused with the reason', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  const [good, expired] = [await invite(datastore), await invite(datastore, { lifeMs: -1 })];
  const unknown = makeInvitationToken({ fleet: fleet.fleet, authoritySha256 });
  for (const [token, why] of [
    [good.slice(0, -1), /no whole token of an invitation/],
    ['', /no whole token of an invitation/],
    [unknown, /has no invitation with this token/],
    [expired, /expired at/],
  ] as const)
    await expect(machine.join(token)).rejects.toMatchObject({
      code: 'INVITATION_INVALID',
      message: expect.stringMatching(why),
    });
  expect(nexus.requests).toHaveLength(2);
  await machine.join(good);
});

test('a Nexus without the authority, without its database, or that is not there, is passed over', async () => {
  const datastore = openDatastore();
  const away = async (): Promise<never> => {
    throw new DepotError('DATABASE_UNAVAILABLE', 'the database is away');
  };
  await using without = await startNexus(datastore, { hasAuthority: false });
  await using cutOff = await startNexus({
    sledJoin: away,
    nexusJoin: away,
    isKeyDenied: away,
    revocationList: away,
  });
  await using good = await startNexus(datastore);
  const nowhere = '127.0.0.1:1';
  const token = await invite(datastore);
  const joinAt = async (...nexuses: string[]) => (await newMachine(nexuses)).join(token);
  await expect(joinAt(nowhere)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
  await expect(joinAt(nowhere, without.address)).rejects.toMatchObject({
    code: 'NO_AUTHORITY_KEY',
    message: expect.stringContaining('identity.authority_directory'),
  });
  await expect(joinAt(cutOff.address, nowhere)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  await joinAt(nowhere, without.address, cutOff.address, good.address);
});

test('a sled whose certificate has expired comes back with the same key by an invitation for it', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  const { sledId } = await machine.join(await invite(datastore));
  const key = await machine.read('key');
  await expect(machine.join(await invite(datastore)), 'as a new one').rejects.toMatchObject({
    code: 'SLED_KEY_IN_USE',
    detail: { sled_id: sledId },
  });
  await datastore.sledUpsert(sledId, registration(), wait);
  const old = await machine.read('certificate');
  await machine.join(await invite(datastore, { sledId }));
  expect(await machine.read('key')).toBe(key);
  expect(await machine.read('certificate')).not.toBe(old);
});

test('another key that joins as the same sled has a certificate that begins after the first one is revoked (RVK1, JD2)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const [lost, next] = [await newMachine([nexus.address]), await newMachine([nexus.address])];
  const { sledId } = await lost.join(await invite(datastore));
  await next.join(await invite(datastore, { sledId }));
  const [revoked] = await datastore.revocationList(wait);
  expect(revoked).toMatchObject({ kind: 'sled', id: sledId });
  const beginsMs = async ({ read }: typeof lost) =>
    countsSinceMs(new X509Certificate(await read('certificate')));
  expect(await beginsMs(lost)).toBeLessThan(revoked!.timeMs);
  expect(await beginsMs(next)).toBeGreaterThan(revoked!.timeMs);
});

test('the certificate of another process is not overwritten, and nothing is sent (JC3)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const token = await invite(datastore);
  const sled = fleet.issue('sled');
  for (const [{ certificatePem, keyPem }, why] of [
    [fleet.issue('nexus'), /names spiffe:\/\/prod\.example\.org\/nexus\//],
    [testFleetIdentity('other.example').issue('sled'), /names spiffe:\/\/other\.example\/sled\//],
    [{ ...sled, keyPem: fleet.issue('sled').keyPem }, /has not its key/],
  ] as const) {
    const machine = await newMachine([nexus.address]);
    await mkdir(machine.identity);
    await writeFile(join(machine.identity, 'certificate.pem'), certificatePem);
    await writeFile(join(machine.identity, 'key.pem'), keyPem);
    await expect(machine.join(token)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(why),
    });
    expect(await machine.read('certificate')).toBe(certificatePem);
  }
  expect(nexus.requests).toEqual([]);
});

test('a certificate that was issued by hand keeps its name: the machine becomes no second sled (JD2)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  const present = fleet.issue('sled', { validity: validNow() });
  await mkdir(machine.identity);
  await writeFile(join(machine.identity, 'certificate.pem'), present.certificatePem);
  await writeFile(join(machine.identity, 'key.pem'), present.keyPem);
  await expect(machine.join(await invite(datastore))).rejects.toMatchObject({
    code: 'SLED_KEY_IN_USE',
    detail: { sled_id: present.identity.id },
  });
});

test('an answer that names another sled, key or authority is not written', async () => {
  const datastore = openDatastore();
  const wrong: ((answer: Answer) => Partial<Answer>)[] = [
    () => ({ sled_id: SledId.parse(randomUUID()) }),
    ({ sled_id: id }) => ({ certificate_pem: fleet.issue('sled', { id }).certificatePem }),
    () => ({ ca_pem: testFleetIdentity().authority.certificate.toString() }),
  ];
  for (const differing of wrong) {
    await using nexus = await startNexus(datastore, {
      onAnswer: answer => ({ ...answer, ...differing(answer) }),
    });
    const machine = await newMachine([nexus.address]);
    await expect(machine.join(await invite(datastore))).rejects.toMatchObject({ code: 'PEER_BAD_ANSWER' });
    expect(await machine.files()).toEqual(['key.pem']);
  }
});

test('a Nexus without the key of the authority cannot have a machine trust another one (JC4)', async () => {
  const datastore = openDatastore();
  const own = testFleetIdentity(fleet.fleet);
  const both = `${own.authority.certificate}${fleet.authority.certificate}`;
  const forged = (answer: Answer): Answer => {
    const { sled_id, certificate_pem } = answer;
    const publicKey = new X509Certificate(certificate_pem).publicKey;
    const identity = { fleet: fleet.fleet, kind: 'sled', id: sled_id } as const;
    const certificate = issueCertificate(own.authority, { identity, publicKey, validity: validNow() });
    return { ...answer, certificate_pem: certificate.toString(), ca_pem: both };
  };
  {
    await using nexus = await startNexus(datastore, { onAnswer: forged });
    const machine = await newMachine([nexus.address]);
    await expect(machine.join(await invite(datastore))).rejects.toMatchObject({
      code: 'PEER_BAD_ANSWER',
      message: expect.stringContaining('not issued by the authority that the invitation names'),
    });
    expect(await machine.files()).toEqual(['key.pem']);
  }
  await using nexus = await startNexus(datastore, { onAnswer: answer => ({ ...answer, ca_pem: both }) });
  const machine = await newMachine([nexus.address]);
  await machine.join(await invite(datastore));
  expect(await machine.read('ca')).toBe(fleet.authority.certificate.toString());
});

test('authorities that a machine trusts already are not overwritten (JC3)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  const token = await invite(datastore);
  const [own, other] = [fleet, testFleetIdentity(fleet.fleet)].map(of => of.authority.certificate.toString());
  const file = join(machine.identity, 'ca.pem');
  await mkdir(machine.identity);
  await writeFile(file, other!);
  await expect(machine.join(token)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/ca\.pem exists and has not the authority .* move it away/),
  });
  expect(nexus.requests).toEqual([]);
  expect(await machine.read('ca')).toBe(other);
  await writeFile(file, `${other}${own}`);
  await machine.join(token);
  expect(await machine.read('ca'), 'as while one replaces the other').toBe(`${own}${other}`);
});

test('a configuration that names no files, another id, or a key on a dataset, is refused before anything is made', async () => {
  const token = makeInvitationToken({ fleet: fleet.fleet, authoritySha256 });
  const id = randomUUID();
  const machine = await newMachine(['127.0.0.1:1'], `sled_id = "${id}"\n`);
  await expect(machine.join(token)).rejects.toThrow(`sled_id is ${id}, and Nexus decides`);
  const text = await readFile(machine.config, 'utf8');
  await writeFile(
    machine.config,
    text.replace(/sled_id.*\n/, '').replace('identity/key.pem', 'm2-a/key.pem'),
  );
  await expect(machine.join(token)).rejects.toThrow(/m2-a\/key\.pem is inside of the directory/);
  await writeFile(machine.config, text.replace(/sled_id.*\n/, '').replace(/\[identity\][\s\S]*/, ''));
  await expect(machine.join(token)).rejects.toThrow(/has no section \[identity\]/);
  expect(await readdir(dirname(machine.config))).toEqual(['sled-agent.toml']);
});

test('a sled that joins pins what its token names before it has a certificate, and one with a token of version 1 pins nothing (JC5, JT4)', async () => {
  const datastore = openDatastore();
  const signer = createSigner();
  const pins = {
    adminKeySha256: undefined,
    rootsSha256: [rootDigestOf(Buffer.from(signer.roots(1)[0] ?? ''))],
  };
  const offering = { offered: async () => ({ adminKeys: [], rootChains: [signer.roots(2)] }) };
  await using honest = await startNexus(datastore, { pins: offering });
  await using lying = await startNexus(datastore);
  const machine = await newMachine([honest.address]);
  const token = await invite(datastore, {}, pins);
  expect(await machine.join(token, lying.address).catch(errorCodeOf)).toBe('PEER_BAD_ANSWER');
  expect(await machine.files()).toEqual(['key.pem']);
  const joined = await machine.join(token);
  expect(joined.pinned?.roots).toMatchObject([{ version: 2 }]);
  expect(await machine.files()).toContain('trust.json');
  const old = await newMachine([honest.address]);
  const second = await old.join(await invite(datastore));
  expect(second.pinned).toBeUndefined();
  expect(await old.files()).toEqual(['ca.pem', 'certificate.pem', 'key.pem']);
});

test('a machine whose key an admin denied learns it, and joins once it is approved (JH4)', async () => {
  const datastore = openDatastore();
  await using nexus = await startNexus(datastore);
  const machine = await newMachine([nexus.address]);
  const by = { fleet: fleet.fleet, authoritySha256 };
  let denied = '';
  const join_ = () =>
    joinSled(machine.config, {
      by,
      onWaiting: key => {
        denied = key;
      },
      clock: { sleep: () => datastore.keyDeny(denied, wait) },
      ...wait,
    });
  await expect(join_()).rejects.toMatchObject({ code: 'JOIN_DENIED' });
  await expect(join_(), 'again').rejects.toMatchObject({ code: 'JOIN_DENIED' });
  await invite(datastore, { sha256: keyInvitationSha256(denied), keySha256: denied });
  expect(await join_()).toMatchObject({ identity: { kind: 'sled' } });
});
