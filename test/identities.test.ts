/**
 * A fleet of real processes that identify themselves, and those who reach its servers without a right to.
 *
 * Each attack is tried on the running fleet, with the answer that refuses it. At the end every artifact is where it was.
 */
import { createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { internalApi } from '../src/api/internal-api.ts';
import { sledAgentApi } from '../src/api/sled-agent-api.ts';
import { sledAgentInfo } from '../src/api/sled-agent-info.fixture.ts';
import { ArtifactHash, asGeneration, SledId } from '../src/core/ids.ts';
import { createApiClient } from '../src/http/client.ts';
import { plainPeers, secureDispatcher } from '../src/http/peers.ts';
import { rawGet } from '../src/http/raw-get.ts';
import { identityOf } from '../src/identity/certificate.ts';
import type { Credentials } from '../src/identity/credentials.ts';
import { testFleetIdentity, validNow, writeAuthority } from '../src/identity/identity.fixture.ts';
import { issueCertificate } from '../src/identity/issue.ts';
import { spiffeId } from '../src/identity/peer-identity.ts';
import { clientTls } from '../src/identity/tls.ts';
import { errorCodeOf } from '../src/lib/errors.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { makeSled, type TestSled } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const identity = testFleetIdentity('prod.example.org');
const authoritiesPem = identity.authority.certificate.toString();
const stranger = { authoritiesPem };
const DAY_MS = 86_400_000;
const someNexus = identity.issue('nexus');
const foreignNexus = { ...testFleetIdentity('prod.example.org').issue('nexus'), authoritiesPem };

let fleet: TestFleet;
let directory: string;
let release: TestRelease;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'identities-'));
  release = await makeTestRelease(directory, { systemVersion: '1.0.0' });
  // One put to one sled: the others have it from there.
  fleet = await startTestFleet({ identity, sleds: 3, minSledReplication: 1 });
  await nexus().trust(release);
  await nexus().upload(release);
  await waitComplete(nexus(), '1.0.0');
});

afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const nexus = () => fleet.nexuses[0]!;
const [first, second] = [() => fleet.sleds[0]!, () => fleet.sleds[1]!];

type Caller = Pick<Credentials, 'authoritiesPem'> & Partial<Credentials>;
/** Each call is a connection of its own. */
const call = async <T>(
  caller: Caller,
  kind: 'nexus' | 'sled',
  work: (dispatcher: ReturnType<typeof secureDispatcher>) => Promise<T>,
): Promise<T> => {
  const dispatcher = secureDispatcher(() => caller, { fleet: identity.fleet, kind });
  try {
    return await work(dispatcher);
  } finally {
    await dispatcher.close();
  }
};

const agentOf = (sled: TestSled, dispatcher: ReturnType<typeof secureDispatcher>) =>
  createApiClient(sledAgentApi, { baseUrl: `https://${sled.agentAddress()}`, dispatcher });

const credentialsOf = async (sled: TestSled): Promise<{ id: SledId; caller: Credentials }> => {
  const { items } = await nexus().fleet.sledList({ query: {} }, wait);
  const id = items.find(({ serial }) => serial === sled.serial)!.id;
  return { id, caller: identity.issue('sled', { id }) };
};

/** Deletes everything, if it were obeyed. */
const LAST_CONFIG = { generation: asGeneration(Number.MAX_SAFE_INTEGER), artifacts: [], sizes: {} };
const putLastConfig = (caller: Caller, sled: TestSled) =>
  call(caller, 'sled', dispatcher =>
    agentOf(sled, dispatcher).artifactConfigPut({ body: LAST_CONFIG }, wait),
  );

const expectAllHeld = async () => {
  for (const { datasets } of fleet.sleds)
    for (const dataset of datasets) expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(release));
};

test('a release reaches every sled over TLS, from Nexus and from sled to sled (T1)', async () => {
  await expectAllHeld();
  const { sleds } = await nexus().fleet.releaseReplication({ params: { system_version: '1.0.0' } }, wait);
  expect(sleds.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
});

test('a config that deletes everything is refused from a caller that is not a Nexus of this fleet (T2a)', async () => {
  const { caller: otherSled } = await credentialsOf(second());
  for (const [caller, code] of [
    [stranger, 'UNAUTHORIZED'],
    [foreignNexus, 'UNAUTHORIZED'],
    [identity.issue('nexus', { fleet: 'prod.example' }), 'UNAUTHORIZED'],
    [otherSled, 'FORBIDDEN'],
  ] as const)
    await expect(putLastConfig(caller, first())).rejects.toMatchObject({ code });
  await using plain = plainPeers();
  const overPlain = createApiClient(sledAgentApi, {
    baseUrl: `http://${first().agentAddress()}`,
    dispatcher: plain.dispatcher({ kind: 'sled' }),
  });
  await expect(overPlain.artifactConfigPut({ body: LAST_CONFIG }, wait)).rejects.toMatchObject({
    code: expect.stringMatching(/^PEER_/),
  });
  await expectAllHeld();
});

const register = (caller: Caller, sled_id: SledId) =>
  call(caller, 'nexus', dispatcher =>
    createApiClient(internalApi, {
      baseUrl: `https://${nexus().internalAddress()}`,
      dispatcher,
    }).sledAgentPut(
      { params: { sled_id }, body: sledAgentInfo({ generation: asGeneration(Date.now() * 2) }) },
      wait,
    ),
  );

const refusals = async () => {
  const { items } = await nexus().audit.auditList({ query: { limit: 100 } }, wait);
  return items.flatMap(({ action }) => (action?.kind === 'requests_refused' ? [action] : []));
};

test('a sled registers itself and no other: nobody can take over its address, or invent sleds, and the audit log has who tried (T1, T6)', async () => {
  const [mine, other] = [await credentialsOf(first()), await credentialsOf(second())];
  const { items: before } = await nexus().fleet.sledList({ query: {} }, wait);
  await expect(register(stranger, other.id)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  await expect(register(mine.caller, other.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await expect(register(someNexus, other.id)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await expect(register(stranger, SledId.parse(randomUUID()))).rejects.toMatchObject({
    code: 'UNAUTHORIZED',
  });
  await expect(register(mine.caller, SledId.parse(randomUUID()))).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
  const { items: after } = await nexus().fleet.sledList({ query: {} }, wait);
  expect(after.map(({ id, address }) => [id, address])).toEqual(
    before.map(({ id, address }) => [id, address]),
  );
  await nexus().debug.bgtaskActivate({ body: { bgtask_names: ['refused_requests'] } }, wait);
  await until(async () => (await refusals()).length > 0, 'the refused registrations are in the audit log');
  const request = 'POST /sled-agents/{sled_id}';
  const from = { address: '127.0.0.1', request };
  expect((await refusals())[0]).toMatchObject({
    refusals: expect.arrayContaining([
      expect.objectContaining({ why: 'no_certificate', ...from, count: 2 }),
      expect.objectContaining({
        why: 'other_identity',
        ...from,
        identity: spiffeId(mine.caller.identity),
        count: 2,
      }),
      expect.objectContaining({ why: 'other_identity', ...from, identity: spiffeId(someNexus.identity) }),
    ]),
  });
});

test('a sled with the key of another one does not register, although the authority issued its certificate, and the audit log names it (RI3)', async () => {
  const [id, otherId] = [SledId.parse(randomUUID()), SledId.parse(randomUUID())];
  const one = identity.issue('sled', { id });
  const named = { fleet: identity.fleet, kind: 'sled', id: otherId } as const;
  const publicKey = createPublicKey(one.keyPem);
  const certificate = issueCertificate(identity.authority, {
    identity: named,
    publicKey,
    validity: validNow(),
  });
  const copy = { ...one, identity: named, certificatePem: certificate.toString() };
  await register(one, id);
  await expect(register(copy, otherId)).rejects.toMatchObject({
    code: 'SLED_KEY_IN_USE',
    message: expect.stringContaining(`is that of sled ${id}`),
  });
  const { items } = await nexus().fleet.sledList({ query: {} }, wait);
  expect(items.map(each => each.id)).toContain(id);
  expect(items.map(each => each.id)).not.toContain(otherId);
  await nexus().debug.bgtaskActivate({ body: { bgtask_names: ['refused_requests'] } }, wait);
  const isNamed = async () => {
    const text = JSON.stringify(await refusals());
    return text.includes('"key_of_another_sled"') && text.includes(spiffeId(named));
  };
  await until(isNamed, 'the registration is in the audit log');
  await nexus().fleet.sledSetPolicy({ params: { sled_id: id }, body: { policy: 'expunged' } }, wait);
});

test('a stolen sled is kept out for as long as its certificate is valid: it is not forgotten before', async () => {
  const sled_id = SledId.parse(randomUUID());
  const stolen = identity.issue('sled', { id: sled_id });
  await register(stolen, sled_id);
  await nexus().fleet.sledSetPolicy({ params: { sled_id }, body: { policy: 'expunged' } }, wait);
  await expect(nexus().fleet.sledForget({ params: { sled_id } }, wait)).rejects.toMatchObject({
    code: 'SLED_CERTIFICATE_VALID',
  });
  // By its row; or, once it is revoked, by its certificate, before or during the request.
  await expect(register(stolen, sled_id)).rejects.toMatchObject({
    code: expect.stringMatching(/^(SLED_DECOMMISSIONED|UNAUTHORIZED|FORBIDDEN)$/),
  });
});

test('what is expunged is revoked on every sled: its certificate reads nothing any more (RVK1, T1c)', async () => {
  const sled_id = SledId.parse(randomUUID());
  const lost = identity.issue('sled', { id: sled_id });
  await register(lost, sled_id);
  const read = async (sled: TestSled): Promise<string> => {
    const url = `https://${sled.depotAddress()}/artifact/sha256/${hashesOf(release)[0]}`;
    const tls = clientTls(lost, { fleet: identity.fleet, kind: 'sled' });
    try {
      using answer = await rawGet(url, { tls, ...wait });
      return `${answer.sizeBytes !== 0}`;
    } catch (error) {
      return errorCodeOf(error);
    }
  };
  for (const sled of fleet.sleds) expect(await read(sled)).toBe('true');
  await nexus().fleet.sledSetPolicy({ params: { sled_id }, body: { policy: 'expunged' } }, wait);
  for (const sled of fleet.sleds)
    await until(async () => (await read(sled)) === 'UNAUTHORIZED', `${sled.serial} refuses it`);
  const file = join(fleet.directory, 'sled-1', 'revoked.json');
  expect(await readFile(file, 'utf8')).toContain(sled_id);
  const told = Date.now();
  for (const sled of fleet.sleds) {
    await until(async () => {
      const { items } = await nexus().fleet.sledList({ query: {} }, wait);
      const { time_last_registered } = items.find(({ serial }) => serial === sled.serial)!;
      return Date.parse(time_last_registered) > told;
    }, `${sled.serial} registers after it was told`);
  }
});

/** A server that counts the requests that reach it; with credentials it speaks TLS. */
const startBait = async (credentials?: Credentials) => {
  let visits = 0;
  const answer: RequestListener = (_, response) => {
    visits += 1;
    response.end('internal secrets');
  };
  const server =
    credentials === undefined
      ? createServer(answer)
      : createTlsServer({ cert: credentials.certificatePem, key: credentials.keyPem }, answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    visits: () => visits,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
};

const orderCopy = (depot_base_url: string, source_sled_id?: SledId) =>
  call(someNexus, 'sled', async dispatcher => {
    const { generation } = await agentOf(first(), dispatcher).artifactList({}, wait);
    await agentOf(first(), dispatcher).artifactCopyFromDepot(
      {
        params: { sha256: ArtifactHash.parse(hashesOf(release)[0]) },
        query: { generation },
        body: { depot_base_url, ...(source_sled_id !== undefined && { source_sled_id }) },
      },
      wait,
    );
  });

test('an order to copy leads only to the sled that it names, and never to another server', async () => {
  const { id } = await credentialsOf(second());
  const depot = `https://${second().depotAddress()}`;
  await using plain = await startBait();
  await using foreign = await startBait(foreignNexus);
  await using another = await startBait(identity.issue('sled'));
  await using nexusBait = await startBait(someNexus);
  for (const [url, source, why] of [
    [`http://${plain.address}`, id, /is not a URL such as https/],
    [`https://${plain.address}`, id, /does not complete a TLS handshake/],
    [`https://${foreign.address}`, id, /the certificate of .* is not accepted/],
    [`https://${another.address}`, id, /presents a certificate of spiffe:.*; expected is .*/],
    [`https://${nexusBait.address}`, id, /presents a certificate of spiffe:.*\/nexus\//],
    [depot, SledId.parse(randomUUID()), /presents a certificate of spiffe:/],
    [depot, undefined, /has to name its source: source_sled_id/],
  ] as const)
    await expect(orderCopy(url, source), `${url} ${source}`).rejects.toMatchObject({
      code: 'COPY_SOURCE',
      message: expect.stringMatching(why),
    });
  for (const bait of [plain, foreign, another, nexusBait]) expect(bait.visits()).toBe(0);
  await orderCopy(depot, id);
});

test('an artifact is served to members of the fleet alone', async () => {
  const url = `https://${first().depotAddress()}/artifact/sha256/${hashesOf(release)[0]}`;
  const expected = { fleet: identity.fleet, kind: 'sled' } as const;
  const get = async (caller: Caller) => {
    using answer = await rawGet(url, { tls: clientTls(caller, expected), ...wait });
    return answer.sizeBytes;
  };
  expect(await get((await credentialsOf(second())).caller)).toBeGreaterThan(0);
  await expect(get(stranger)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  await expect(get(foreignNexus)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
});

/** A sled agent of its own that registers with the Nexus of the fleet, with these credentials. */
const startStranger = async (n: number, credentials: (kind: 'nexus' | 'sled') => Credentials) => {
  const other = { ...identity, issue: credentials };
  const sled = makeSled(directory, n, [nexus().internalAddress()], { identity: other });
  await sled.start();
  return { ...sled, [Symbol.asyncDispose]: sled.stop };
};

test('a sled that starts with the certificate of another authority is no part of the fleet, and says why', async () => {
  const other = testFleetIdentity(identity.fleet);
  const { items: before } = await nexus().fleet.sledList({ query: {} }, wait);
  await using stranger = await startStranger(8, kind => {
    const own = other.issue(kind);
    return { ...own, authoritiesPem: `${own.authoritiesPem}${authoritiesPem}` };
  });
  await until(async () => {
    const log = await stranger.log();
    return (
      log.includes('"code":"UNAUTHORIZED"') &&
      log.includes('no authority of this fleet issued it') &&
      log.includes('Nexus refuses the registration of this sled')
    );
  }, 'the sled logs that Nexus refuses it, and why');
  const { items: after } = await nexus().fleet.sledList({ query: {} }, wait);
  expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
});

test('a sled that does not trust the authority of the fleet registers with no Nexus of it, and says why', async () => {
  const other = testFleetIdentity(identity.fleet);
  await using stranger = await startStranger(9, other.issue);
  await until(async () => {
    const log = await stranger.log();
    return log.includes(`the certificate of ${nexus().internalAddress()} is not accepted`);
  }, 'the sled logs that it does not accept the certificate of Nexus');
});

test('a certificate that expires soon, of Nexus or of a sled, is in the status', async () => {
  const short = testFleetIdentity('short.example');
  let days = 2.5;
  const soon = {
    ...short,
    issue: (kind: 'nexus' | 'sled') => short.issue(kind, { validity: validNow(days--) }),
  };
  await using expiring = await startTestFleet({ identity: soon, sleds: 1, minSledReplication: 1 });
  const [only] = expiring.nexuses;
  await until(async () => {
    const { reasons, verdict } = await only!.fleet.fleetStatus({}, wait);
    expect(verdict).toBe('degraded');
    expect(reasons.filter(({ code }) => code === 'CERTIFICATE_EXPIRES_SOON')).toMatchObject([
      { details: { processes: 2, process: expect.stringContaining('spiffe://short.example/sled/') } },
    ]);
    return true;
  }, 'both certificates are counted, and the one of the sled expires first');
});

test('a certificate that nears its end, or has expired, is renewed over the old one, by the Nexus that has the authority', async () => {
  const short = testFleetIdentity('renewed.example');
  const authorityDirectory = join(directory, 'authority');
  await writeAuthority(authorityDirectory, short.authority);
  const issue = (kind: 'nexus' | 'sled') => short.issue(kind, { validity: validNow(2) });
  await using renewing = await startTestFleet({
    identity: { ...short, authorityDirectory, issue },
    sleds: 1,
    minSledReplication: 1,
  });
  for (const name of ['nexus-1', 'sled-1'])
    await until(async () => {
      const pem = await readFile(join(renewing.directory, name, 'certificate.pem'), 'utf8');
      return new X509Certificate(pem).validToDate.getTime() > Date.now() + 29 * DAY_MS;
    }, `the certificate of ${name} is renewed`);
  const [sled] = renewing.sleds;
  const lastsMs = async (): Promise<number> => {
    let notAfterMs = 0;
    const dispatcher = secureDispatcher(
      () => short.issue('nexus'),
      { fleet: short.fleet, kind: 'sled' },
      undefined,
      certificate => {
        notAfterMs = certificate.notAfterMs;
      },
    );
    await agentOf(sled!, dispatcher).artifactList({}, wait);
    await dispatcher.close();
    return notAfterMs;
  };
  await until(async () => (await lastsMs()) > Date.now() + 29 * DAY_MS, 'it is in use');

  // The machine was off for longer than its certificate lasts.
  await sled!.stop();
  const file = join(renewing.directory, 'sled-1', 'certificate.pem');
  const present = new X509Certificate(await readFile(file));
  const expired = issueCertificate(short.authority, {
    identity: identityOf(present)!,
    publicKey: present.publicKey,
    validity: { notBeforeMs: Date.now() - 60 * DAY_MS, notAfterMs: Date.now() - 30 * DAY_MS },
  });
  await writeFile(file, expired.toString());
  await sled!.start();
  await until(async () => (await lastsMs()) > Date.now() + 29 * DAY_MS, 'it came back by itself (RX4)');
});

test('after all of it every sled holds every artifact, and follows its own Nexus', async () => {
  await expectAllHeld();
  const next = await makeTestRelease(directory, {
    systemVersion: '2.0.0',
    keys: release.keys,
    versions: { timestamp: 2, snapshot: 2, targets: 2 },
  });
  await nexus().upload(next);
  await waitComplete(nexus(), '2.0.0');
  await until(async () => (await nexus().fleet.fleetStatus({}, wait)).verdict === 'ok', 'the verdict is ok');
});
