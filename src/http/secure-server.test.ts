/** Who is served by which route when processes identify themselves. */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { type Dispatcher, request } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import { depotApi } from '../api/depot-api.ts';
import type { Route } from '../api/route.ts';
import type { RefusedRequest } from '../core/facts/refusal.ts';
import type { Credentials } from '../identity/credentials.ts';
import {
  replaceableCredentials,
  type TestFleetIdentity,
  testFleetIdentity,
  validNow,
} from '../identity/identity.fixture.ts';
import { type ClientCredentials, clientTls, serverTls } from '../identity/tls.ts';
import { silentLogger } from '../lib/log.ts';
import { neverAborts, oneOperator, serveTestApi, testApi } from './api.fixture.ts';
import { createApiClient } from './client.ts';
import { bindApi } from './handlers.ts';
import { openApiDocuments } from './openapi.ts';
import { plainPeers, secureDispatcher, securePeers } from './peers.ts';
import { rawGet } from './raw-get.ts';
import { ARTIFACT, bare, fetchAs, SLED, serveSled } from './secure-server.fixture.ts';
import { type ApiServer, serveApi } from './server.ts';

const OTHER_SLED = '22222222-2222-4222-8222-222222222222';
const TOKEN = 'the-token-of-an-operator';
const signal = neverAborts();

type CallerName = keyof ReturnType<typeof callersOf>;
const callersOf = (fleet: TestFleetIdentity) => {
  const other = testFleetIdentity(fleet.fleet);
  const foreign = testFleetIdentity('other.example');
  const authoritiesPem = fleet.authority.certificate.toString();
  const past = { notBeforeMs: Date.now() - 7_200_000, notAfterMs: Date.now() - 3_600_000 };
  return {
    nobody: { authoritiesPem },
    'the token alone': { authoritiesPem, token: TOKEN },
    'a wrong token': { authoritiesPem, token: `${TOKEN}x` },
    'the sled': fleet.issue('sled', { id: SLED }),
    'another sled': fleet.issue('sled', { id: OTHER_SLED }),
    'a Nexus': fleet.issue('nexus'),
    'a sled with an expired certificate': fleet.issue('sled', { id: SLED, validity: past }),
    'a Nexus with an expired certificate': fleet.issue('nexus', { validity: past }),
    'an expired sled of an authority of the same name': {
      ...other.issue('sled', { id: SLED, validity: past }),
      authoritiesPem,
    },
    'a Nexus of an authority of the same name': { ...other.issue('nexus'), authoritiesPem },
    'a sled of another fleet': { ...foreign.issue('sled', { id: SLED }), authoritiesPem },
    'a Nexus that this authority issued for another fleet': fleet.issue('nexus', { fleet: 'other.example' }),
  };
};

const AUDIENCES = {
  operator: ['the token alone'],
  nexus: ['a Nexus'],
  sled: ['the sled'],
  member: ['the sled', 'another sled', 'a Nexus'],
  self: ['the sled'],
} satisfies Record<Exclude<Route['audience'], 'public'>, readonly CallerName[]>;

/** As which reason a refusal of each caller is counted, by a route for processes. */
const COUNTED_AS: Readonly<Record<string, RefusedRequest['why']>> = {
  nobody: 'no_certificate',
  'the token alone': 'no_certificate',
  'a wrong token': 'no_certificate',
  'the sled': 'other_identity',
  'another sled': 'other_identity',
  'a Nexus': 'other_identity',
  'a sled with an expired certificate': 'certificate_expired',
  'a Nexus with an expired certificate': 'certificate_expired',
  'an expired sled of an authority of the same name': 'certificate_refused',
  'a Nexus of an authority of the same name': 'certificate_refused',
  'a sled of another fleet': 'certificate_refused',
  'a Nexus that this authority issued for another fleet': 'certificate_refused',
};

/** Without an id of its own in the path, a route for sleds serves each of them. */
const servedBy = ({ audience, ownId, servesExpired }: Route): readonly string[] => {
  if (audience === 'public') return Object.keys(callersOf(testFleetIdentity()));
  const valid =
    audience === 'sled' && ownId === undefined ? ['the sled', 'another sled'] : AUDIENCES[audience];
  if (servesExpired !== true) return valid;
  const expired = {
    nexus: 'a Nexus with an expired certificate',
    sled: 'a sled with an expired certificate',
  };
  return [...valid, ...(audience === 'nexus' ? [expired.nexus] : Object.values(expired))];
};

test('three routes alone serve callers that show nothing: those of machines that join, and the ping, which says nothing (T2a)', () => {
  const routes = Object.values(openApiDocuments)
    .flat()
    .flatMap(api => Object.values<Route>(api.routes));
  const open = routes.filter(({ audience }) => audience === 'public');
  expect(open.map(({ operationId }) => operationId)).toEqual(['ping', 'sled_join', 'nexus_join']);
});

const WHY_OF_TOKEN: Readonly<Record<string, RefusedRequest['why']>> = { 'a wrong token': 'token_unknown' };

describe('each route of each server serves its audience alone, and shows whom it refused and why (T2a, T6)', () => {
  const fleet = testFleetIdentity();
  const callers = callersOf(fleet);
  const serverOf = (document: string): Credentials =>
    ['sled-agent.json', 'repo-depot.json'].includes(document)
      ? fleet.issue('sled', { id: SLED })
      : fleet.issue('nexus');

  test.each(Object.entries(openApiDocuments))('%s', async (document, apis) => {
    const credentials = replaceableCredentials(serverOf(document));
    const { kind } = credentials.current().identity;
    const refusals: RefusedRequest[] = [];
    await using server = await serveApi({
      apis: [bare(apis)],
      onRefused: refusal => refusals.push(refusal),
      listen: { host: '127.0.0.1', port: 0 },
      credentials,
      operators: oneOperator(TOKEN),
      log: silentLogger,
    });
    const dispatchers = new Map(
      Object.entries(callers).map(([name, own]) => [
        name,
        secureDispatcher(() => own, { fleet: fleet.fleet, kind }),
      ]),
    );
    for (const { route } of bare(apis)) {
      for (const [name, own] of Object.entries(callers)) {
        const { statusCode, body } = await request(
          `https://${server.address}${route.path.replaceAll(/\{\w+\}/g, SLED)}`,
          {
            method: route.method,
            dispatcher: dispatchers.get(name)!,
            headers: 'token' in own ? { authorization: `Bearer ${own.token}` } : {},
          },
        );
        const text = await body.text();
        const served = servedBy(route);
        const isRefused = statusCode === 401 || statusCode === 403;
        expect(isRefused, `${route.operationId} and ${name}: ${statusCode} ${text}`).toBe(
          !served.includes(name),
        );
        const counted = refusals.splice(0).map(({ why, address, request: of }) => ({ why, address, of }));
        const why = route.audience === 'operator' ? (WHY_OF_TOKEN[name] ?? 'no_token') : COUNTED_AS[name];
        const of = `${route.method} ${route.path}`;
        expect(counted).toEqual(isRefused ? [{ why, address: '127.0.0.1', of }] : []);
      }
    }
    for (const dispatcher of dispatchers.values()) await dispatcher.close();
  });
});

test('a refusal says whom the route serves, and who the caller is', async () => {
  const fleet = testFleetIdentity();
  await using server = await serveSled(replaceableCredentials(fleet.issue('sled', { id: SLED })));
  const expected = { fleet: fleet.fleet, kind: 'sled' } as const;
  const past = { notBeforeMs: Date.now() - 7_200_000, notAfterMs: Date.now() - 3_600_000 };
  const { authoritiesPem } = fleet.issue('nexus');
  const other = fleet.issue('nexus', { fleet: 'other.example' });
  const textFor = async (own: ClientCredentials, path: string): Promise<string> => {
    const dispatcher = secureDispatcher(() => own, expected);
    onTestFinished(() => dispatcher.close());
    const { body } = await request(`https://${server.address}${path}`, { dispatcher });
    return (JSON.parse(await body.text()) as { message: string }).message;
  };
  const members = 'this route serves a nexus or sled of this fleet, and';
  for (const [own, path, text] of [
    [{ authoritiesPem }, ARTIFACT, `${members} the caller presents no certificate`],
    [fleet.issue('nexus', { validity: past }), ARTIFACT, 'it has expired'],
    [
      { ...testFleetIdentity().issue('nexus'), authoritiesPem },
      ARTIFACT,
      'no authority of this fleet issued it',
    ],
    [other, ARTIFACT, `it is of the fleet other.example, not of ${fleet.fleet}`],
    [
      fleet.issue('sled', { id: OTHER_SLED }),
      '/artifacts-config',
      `this route serves a nexus of this fleet, and the caller is spiffe://${fleet.fleet}/sled/${OTHER_SLED}`,
    ],
  ] as const)
    expect(await textFor(own, path)).toContain(text);
  expect(await textFor(other, ARTIFACT)).toContain(members);
});

test('a client talks to the process that it expects, and to no other (T1, TI1)', async () => {
  const fleet = testFleetIdentity();
  await using server = await serveSled(replaceableCredentials(fleet.issue('sled', { id: SLED })));
  await using peers = securePeers(replaceableCredentials(fleet.issue('nexus')));
  expect((await fetchAs(server, peers.dispatcher({ kind: 'sled', id: SLED }))).status).toBe(404);
  const baseUrl = `https://${server.address}`;
  const failure = async (dispatcher: Dispatcher) => {
    await using client = createApiClient(testApi, { baseUrl, dispatcher });
    return client.greet({ params: { name: 'a' }, query: { times: 1 } }, { signal }).catch(error => error);
  };
  for (const expected of [
    { kind: 'sled', id: OTHER_SLED },
    { kind: 'nexus', id: SLED },
    { kind: 'nexus' },
  ] as const)
    expect(await failure(peers.dispatcher(expected)), JSON.stringify(expected)).toMatchObject({
      code: 'PEER_IDENTITY',
      message: expect.stringContaining(`presents a certificate of spiffe://${fleet.fleet}/sled/${SLED}`),
    });
  const strangers = testFleetIdentity(fleet.fleet);
  await using others = securePeers(replaceableCredentials(strangers.issue('nexus')));
  expect(await failure(others.dispatcher({ kind: 'sled', id: SLED }))).toMatchObject({
    code: 'PEER_IDENTITY',
    message: expect.stringContaining('is not accepted'),
  });
});

test('a download goes only to the expected process, and only over TLS where one is expected', async () => {
  const fleet = testFleetIdentity();
  await using server = await serveSled(replaceableCredentials(fleet.issue('sled', { id: SLED })));
  await using peers = securePeers(replaceableCredentials(fleet.issue('sled')));
  const get = (id: string, url = `https://${server.address}${ARTIFACT}`) =>
    rawGet(url, { tls: peers.tls({ kind: 'sled', id }), signal }).catch(error => error);
  expect(await get(SLED)).toMatchObject({ code: 'NOT_FOUND' });
  expect(await get(OTHER_SLED)).toMatchObject({ code: 'PEER_IDENTITY' });
  expect(await get(SLED, `http://${server.address}${ARTIFACT}`)).toMatchObject({ code: 'INVALID_REQUEST' });
  expect(await rawGet(`https://${server.address}/`, { signal }).catch(error => error)).toMatchObject({
    code: 'INVALID_REQUEST',
  });
});

test('a plain client gets nothing from a secure server, and a secure client tells that a server is plain', async () => {
  const fleet = testFleetIdentity();
  await using server = await serveSled(replaceableCredentials(fleet.issue('sled', { id: SLED })));
  await using plain = plainPeers();
  await expect(
    request(`http://${server.address}${ARTIFACT}`, { dispatcher: plain.dispatcher({ kind: 'sled' }) }),
  ).rejects.toThrow();
  await using open = await serveTestApi();
  await using peers = securePeers(replaceableCredentials(fleet.issue('nexus')));
  await using client = createApiClient(testApi, {
    baseUrl: `https://${open.address}`,
    dispatcher: peers.dispatcher({ kind: 'sled', id: SLED }),
  });
  await expect(
    client.greet({ params: { name: 'a' }, query: { times: 1 } }, { signal }),
  ).rejects.toMatchObject({ code: 'PEER_IDENTITY', message: expect.stringContaining('TLS handshake') });
});

test('two processes at one address never share a connection (PE1)', async () => {
  const fleet = testFleetIdentity();
  const credentials = replaceableCredentials(fleet.issue('sled', { id: SLED }));
  const first = await serveSled(credentials);
  const { host, port } = first;
  await using peers = securePeers(replaceableCredentials(fleet.issue('nexus')));
  expect((await fetchAs(first, peers.dispatcher({ kind: 'sled', id: SLED }))).status).toBe(404);
  await expect(fetchAs(first, peers.dispatcher({ kind: 'sled', id: OTHER_SLED }))).rejects.toMatchObject({
    code: 'PEER_IDENTITY',
  });
  await first[Symbol.asyncDispose]();
  await using second = await serveApi({
    apis: [bare(openApiDocuments['repo-depot.json'] ?? [])],
    listen: { host, port },
    credentials: replaceableCredentials(fleet.issue('sled', { id: OTHER_SLED })),
    log: silentLogger,
  });
  // The pool may not have seen yet that its connection to the first process is closed.
  await expect
    .poll(() => fetchAs(second, peers.dispatcher({ kind: 'sled', id: SLED })).catch(error => error.code))
    .toBe('PEER_IDENTITY');
  expect((await fetchAs(second, peers.dispatcher({ kind: 'sled', id: OTHER_SLED }))).status).toBe(404);
});

test('a renewed certificate serves new connections at once, and open ones go on (PE2)', async () => {
  const fleet = testFleetIdentity();
  const credentials = replaceableCredentials(fleet.issue('sled', { id: SLED }));
  await using server = await serveSled(credentials);
  const own = fleet.issue('nexus');
  const open = async (): Promise<{ socket: TLSSocket; serial: string }> => {
    const socket = connectTls({
      host: server.host,
      port: server.port,
      ...clientTls(own, { fleet: fleet.fleet, kind: 'sled', id: SLED }),
    });
    await once(socket, 'secureConnect');
    return { socket, serial: socket.getPeerX509Certificate()?.serialNumber ?? '' };
  };
  const ask = async ({ socket }: { socket: TLSSocket }): Promise<string> => {
    socket.write(`GET ${ARTIFACT} HTTP/1.1\r\nHost: ${server.address}\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    return String(answer).split('\r\n')[0] ?? '';
  };
  const before = await open();
  expect(await ask(before)).toContain('404');
  credentials.replace(fleet.issue('sled', { id: SLED }));
  const after = await open();
  expect(after.serial).not.toBe(before.serial);
  expect([await ask(before), await ask(after)]).toEqual([
    expect.stringContaining('404'),
    expect.stringContaining('404'),
  ]);
  before.socket.destroy();
  after.socket.destroy();
});

test('a revoked caller is refused on its open connection, and its running request ends (RVK1, H4)', async () => {
  const fleet = testFleetIdentity();
  const credentials = replaceableCredentials(fleet.issue('sled', { id: SLED }));
  let aborted: unknown;
  const begun = Promise.withResolvers<void>();
  await using server = await serveTestApi(
    {
      async greet({ params: { name }, signal: own }) {
        if (name === 'wait') {
          begun.resolve();
          await once(own, 'abort');
          aborted = own.reason;
          throw own.reason;
        }
        return { text: '' };
      },
    },
    { credentials },
  );
  const [revoked, other] = [fleet.issue('nexus'), fleet.issue('nexus')];
  const ask = async (own: Credentials, name: string) => {
    const dispatcher = secureDispatcher(() => own, { fleet: fleet.fleet, kind: 'sled' });
    onTestFinished(() => dispatcher.destroy());
    const answer = await request(`https://${server.address}/greet/${name}?times=1`, { dispatcher });
    return { status: answer.statusCode, text: await answer.body.text() };
  };
  const waiting = ask(revoked, 'wait');
  await begun.promise;
  const { kind, id } = revoked.identity;
  await credentials.revocations.add([{ kind, id, timeMs: Date.now() }]);
  expect(await waiting).toMatchObject({ status: 403, text: expect.stringContaining('was revoked') });
  expect(aborted).toBeDefined();
  expect((await ask(other, 'a')).status).toBe(200);
});

test('who keeps the connections to a peer goes on after the revocation of another one (PE3)', async () => {
  const fleet = testFleetIdentity();
  const nexus = replaceableCredentials(fleet.issue('nexus'));
  await using server = await serveSled(replaceableCredentials(fleet.issue('sled', { id: SLED })));
  await using peers = securePeers(nexus);
  const kept = peers.dispatcher({ kind: 'sled', id: SLED });
  for (const id of [randomUUID(), randomUUID()]) {
    expect((await fetchAs(server, kept)).status).toBe(404);
    await nexus.revocations.add([{ kind: 'sled', id, timeMs: Date.now() }]);
  }
  expect((await fetchAs(server, kept)).status).toBe(404);
});

test('a revoked caller and a revoked server are refused, until they have a newer certificate (RVK1, PE3, T1c)', async () => {
  const fleet = testFleetIdentity();
  const sled = replaceableCredentials(fleet.issue('sled', { id: SLED }));
  const nexus = replaceableCredentials(fleet.issue('nexus'));
  await using server = await serveSled(sled);
  await using peers = securePeers(nexus);
  const ask = () =>
    fetchAs(server, peers.dispatcher({ kind: 'sled', id: SLED })).then(
      ({ status }) => status,
      error => error.code,
    );
  expect(await ask()).toBe(404);
  const now = Date.now();
  const { kind, id } = nexus.current().identity;
  await sled.revocations.add([{ kind, id, timeMs: now }]);
  expect(await ask()).toBe(401);
  await nexus.revocations.add([{ kind: 'sled', id: SLED, timeMs: now }]);
  expect(await ask()).toBe('PEER_IDENTITY');
  const validity = { notBeforeMs: now + 1_000, notAfterMs: now + 86_400_000 };
  await delay(1_100);
  sled.replace(fleet.issue('sled', { id: SLED, validity }));
  expect(await ask()).toBe(401);
  nexus.replace(fleet.issue('nexus', { id, validity }));
  await using renewed = securePeers(nexus);
  expect((await fetchAs(server, renewed.dispatcher({ kind: 'sled', id: SLED }))).status).toBe(404);
});

test('a process that was revoked brings statements, which prove themselves, and is heard in nothing else (T1c)', async () => {
  const fleet = testFleetIdentity();
  const sled = replaceableCredentials(fleet.issue('sled', { id: SLED }));
  await using server = await serveSled(sled);
  const ask = async (kind: 'nexus' | 'sled', method: 'GET' | 'PUT', path: string) => {
    const own = fleet.issue(kind, kind === 'sled' ? { id: OTHER_SLED } : {});
    await sled.revocations.add([{ kind, id: own.identity.id, timeMs: Date.now() }]);
    await using peers = securePeers(replaceableCredentials(own));
    const dispatcher = peers.dispatcher({ kind: 'sled', id: SLED });
    const body = method === 'PUT' ? { body: JSON.stringify({ statements: [] }) } : {};
    const headers = { 'content-type': 'application/json' };
    const answer = await request(`https://${server.address}${path}`, {
      dispatcher,
      method,
      headers,
      ...body,
    });
    await answer.body.dump();
    return answer.statusCode;
  };
  expect(await ask('nexus', 'PUT', '/statements')).toBe(404);
  expect(await ask('nexus', 'GET', '/statements')).toBe(401);
  expect(await ask('nexus', 'PUT', '/artifacts-config')).toBe(401);
  expect(await ask('sled', 'PUT', '/statements')).toBe(401);
});

const openSilent = async ({ host, port }: ApiServer): Promise<{ readonly closed: Promise<unknown> }> => {
  const socket = connect({ host, port });
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  return { closed };
};

test('a connection without a handshake does not keep a TLS server from stopping, and ends after a time', async () => {
  const credentials = replaceableCredentials(testFleetIdentity().issue('sled', { id: SLED }));
  const patient = await serveTestApi({}, { credentials, limits: { headTimeoutMs: 1_000_000 } });
  const silent = await openSilent(patient);
  await patient[Symbol.asyncDispose]();
  await silent.closed;
  await using hasty = await serveTestApi({}, { credentials, limits: { headTimeoutMs: 100 } });
  await (await openSilent(hasty)).closed;
});

test.each([
  ['sled', '429 from a sled, 200 from a Nexus', [200, 429, 429, 200]],
  ['nexus', 'both are served', [200, 429, 200, 200]],
] as const)('on a %s whose usual places are taken by one sled: %s (PLC2)', async (kind, _, expected) => {
  const fleet = testFleetIdentity();
  const release = Promise.withResolvers<void>();
  let waiting = 0;
  await using server = await serveTestApi(
    {
      async greet({ params: { name } }) {
        waiting += 1;
        if (name === 'wait') await release.promise;
        return { text: '' };
      },
    },
    {
      credentials: replaceableCredentials(fleet.issue(kind)),
      limits: { requests: { total: 4, perPeer: 2, kept: 2 } },
    },
  );
  const [first, second, nexus] = [fleet.issue('sled'), fleet.issue('sled'), fleet.issue('nexus')];
  const ask = async (own: Credentials, name: string): Promise<number> => {
    const dispatcher = secureDispatcher(() => own, { fleet: fleet.fleet, kind });
    onTestFinished(() => dispatcher.destroy());
    const answer = await request(`https://${server.address}/greet/${name}?times=1`, { dispatcher });
    await answer.body.dump();
    return answer.statusCode;
  };
  const slow = [ask(first, 'wait'), ask(first, 'wait')];
  await expect.poll(() => waiting).toBe(2);
  const statuses = [await ask(first, 'a'), await ask(second, 'a'), await ask(nexus, 'a')];
  release.resolve();
  expect([...new Set(await Promise.all(slow)), ...statuses]).toEqual(expected);
});

test('no session is resumed: each connection presents its certificate anew (TI3)', async () => {
  const fleet = testFleetIdentity();
  await using server = await serveSled(replaceableCredentials(fleet.issue('sled', { id: SLED })));
  const tls = clientTls(fleet.issue('nexus'), { fleet: fleet.fleet, kind: 'sled', id: SLED });
  const sessions: Buffer[] = [];
  const reused: boolean[] = [];
  while (reused.length < 2) {
    const session = sessions.at(-1);
    const { host, port } = server;
    const socket = connectTls({ host, port, ...tls, ...(session !== undefined && { session }) });
    socket.on('session', each => sessions.push(each));
    await once(socket, 'secureConnect');
    reused.push(socket.isSessionReused());
    socket.write(`GET ${ARTIFACT} HTTP/1.1\r\nHost: ${server.address}\r\nConnection: close\r\n\r\n`);
    socket.resume();
    await once(socket, 'close');
  }
  expect(reused).toEqual([false, false]);
});

test('an older TLS is not spoken', async () => {
  const fleet = testFleetIdentity();
  await using server = await serveSled(replaceableCredentials(fleet.issue('sled', { id: SLED })));
  const { minVersion, ...tls } = clientTls(fleet.issue('nexus'), {
    fleet: fleet.fleet,
    kind: 'sled',
    id: SLED,
  });
  expect(minVersion).toBe('TLSv1.3');
  const older = { ...tls, maxVersion: 'TLSv1.2', ciphers: 'DEFAULT' } as const;
  const socket = connectTls({ host: server.host, port: server.port, ...older });
  await expect(once(socket, 'secureConnect')).rejects.toThrow(/protocol version|handshake failure/);
});

test('a peer that accepts a connection and never speaks TLS is unreachable after a bounded wait', async () => {
  const fleet = testFleetIdentity();
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const dispatcher = secureDispatcher(
    () => fleet.issue('nexus', { id: randomUUID(), validity: validNow() }),
    { fleet: fleet.fleet, kind: 'sled', id: SLED },
    { connectTimeoutMs: 300 },
  );
  await using client = createApiClient(testApi, { baseUrl: `https://127.0.0.1:${port}`, dispatcher });
  await expect(
    client.greet({ params: { name: 'a' }, query: { times: 1 } }, { signal }),
  ).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
  await dispatcher.destroy();
  silent.close();
});

test('a long download over TLS arrives whole however slowly it is consumed (RF4)', async () => {
  const fleet = testFleetIdentity();
  const bytes = randomBytes(3_000_000);
  await using server = await serveApi({
    apis: [
      bindApi(depotApi, {
        artifactGetBySha256: async () => ({
          sizeBytes: bytes.length,
          etag: 'x',
          read: async (into: Uint8Array, position: number) =>
            bytes.copy(into, 0, position, position + into.byteLength),
          [Symbol.asyncDispose]: async () => undefined,
        }),
      }),
    ],
    listen: { host: '127.0.0.1', port: 0 },
    credentials: replaceableCredentials(fleet.issue('sled', { id: SLED })),
    log: silentLogger,
  });
  await using peers = securePeers(replaceableCredentials(fleet.issue('sled')));
  const tls = peers.tls({ kind: 'sled', id: SLED });
  for (const [pages, pageSizeBytes] of [
    [2, 128 * 1024],
    [8, 1024 * 1024],
    [3, 200_000],
  ] as const) {
    using answer = await rawGet(`https://${server.address}${ARTIFACT}`, {
      tls,
      pages,
      pageSizeBytes,
      signal,
    });
    // The socket is paused, and what TLS has decrypted arrives all the same.
    await delay(100);
    const chunks: Buffer[] = [];
    await answer.consume(async chunk => {
      await delay(20);
      chunks.push(Buffer.from(chunk));
    });
    expect(Buffer.concat(chunks).equals(bytes), `${pages} pages of ${pageSizeBytes}`).toBe(true);
  }
});

test.each([
  ['whole', 5, 'hello'],
  ['cut', 6, undefined],
] as const)(
  'an answer that is %s, and whose connection ends before it is read, is judged by its bytes (RF3, RF4)',
  async (_, announced, expected) => {
    const fleet = testFleetIdentity();
    const server = createTlsServer(serverTls(fleet.issue('sled', { id: SLED })), socket => {
      socket.on('error', () => undefined);
      // Two records: TLS may deliver the second one, and the end, during the pause after the head.
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${announced}\r\n\r\n`);
        socket.end('hello');
      });
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const tls = clientTls(fleet.issue('nexus'), { fleet: fleet.fleet, kind: 'sled', id: SLED });
    using answer = await rawGet(`https://127.0.0.1:${port}${ARTIFACT}`, { tls, signal });
    await delay(100);
    const chunks: Buffer[] = [];
    const read = answer.consume(async chunk => void chunks.push(Buffer.from(chunk)));
    if (expected === undefined) await expect(read).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
    else await read;
    expect(Buffer.concat(chunks).toString()).toBe(expected ?? '');
  },
);
