/** Callers over TLS: whose bounds their requests and connections count against, and which certificate a client presents. */
import { X509Certificate } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import type { Credentials } from '../identity/credentials.ts';
import { replaceableCredentials, testFleetIdentity } from '../identity/identity.fixture.ts';
import type { ClientCredentials } from '../identity/tls.ts';
import { neverAborts, serveTestApi, testApi } from './api.fixture.ts';
import { createApiClient } from './client.ts';
import { secureDispatcher, securePeers } from './peers.ts';
import type { ServerLimits } from './server.ts';

const signal = neverAborts();

/** A server with TLS whose requests `wait` run until the test lets them end. */
const serveWaiting = async (limits: Partial<ServerLimits>) => {
  const fleet = testFleetIdentity();
  const release = Promise.withResolvers<void>();
  const serials: string[] = [];
  const server = await serveTestApi(
    {
      async greet({ params: { name }, caller: { peer } }) {
        serials.push(peer.kind === 'identified' ? keyOf(peer.publicKey) : peer.kind);
        if (name === 'wait') await release.promise;
        return { text: name };
      },
    },
    { credentials: replaceableCredentials(fleet.issue('sled')), limits },
  );
  const { authoritiesPem } = fleet.issue('nexus');
  const foreign = { ...testFleetIdentity(fleet.fleet).issue('nexus'), authoritiesPem };
  /** On a connection of its own: `ok`, or the code of the refusal. */
  const ask = (own: ClientCredentials, name: string): Promise<string> => {
    const dispatcher = secureDispatcher(() => own, { fleet: fleet.fleet, kind: 'sled' });
    onTestFinished(() => dispatcher.destroy());
    const client = createApiClient(testApi, { baseUrl: `https://${server.address}`, dispatcher });
    return client.greet({ params: { name }, query: { times: 1 } }, { signal }).then(
      () => 'ok',
      error => error.code,
    );
  };
  return {
    ...{ fleet, server, serials, ask },
    callers: { anonymous: { authoritiesPem }, foreign, nexus: fleet.issue('nexus') },
    async [Symbol.asyncDispose]() {
      release.resolve();
      await server[Symbol.asyncDispose]();
    },
  };
};
const keyOf = (key: { readonly export: (options: { type: 'spki'; format: 'pem' }) => string | Buffer }) =>
  String(key.export({ type: 'spki', format: 'pem' }));

test('callers without a certificate that counts are one stranger by their address, and leave a Nexus there its places (PLC1)', async () => {
  await using served = await serveWaiting({ requests: { total: 8, perPeer: 2, kept: 4 } });
  const { ask, serials } = served;
  const { anonymous, foreign, nexus } = served.callers;
  const slow = [ask(anonymous, 'wait'), ask(foreign, 'wait')];
  await expect.poll(() => serials.toSorted()).toEqual(['anonymous', 'refused']);
  expect(await ask(anonymous, 'a')).toBe('TOO_MANY_REQUESTS');
  expect(await ask(foreign, 'a')).toBe('TOO_MANY_REQUESTS');
  expect(await ask(nexus, 'a')).toBe('ok');
  await served[Symbol.asyncDispose]();
  expect(await Promise.all(slow)).toEqual(['ok', 'ok']);
});

test('a connection counts by its address until its handshake is over, and then by its certificate (CNX3)', async () => {
  await using served = await serveWaiting({ connections: { total: 64, perPeer: 2, kept: 0 } });
  const { ask, serials, callers } = served;
  const slow: Promise<string>[] = [];
  const begins = async (own: ClientCredentials) => {
    slow.push(ask(own, 'wait'));
    await expect.poll(() => serials.length).toBe(slow.length);
  };
  // More than an address may have: a Nexus has no bound.
  for (const own of [callers.nexus, callers.nexus, callers.anonymous, callers.nexus]) await begins(own);
  await begins(callers.anonymous);
  expect(await ask(callers.anonymous, 'a')).toBe('PEER_UNREACHABLE');
  expect(await ask(callers.nexus, 'a'), 'before its handshake it is a stranger').toBe('PEER_UNREACHABLE');
  await served[Symbol.asyncDispose]();
  expect(await Promise.all(slow)).toEqual(slow.map(() => 'ok'));
});

test('a sled has as many connections as a stranger, of its own, and its longest idle one gives way (CNX1, CNX3)', async () => {
  await using served = await serveWaiting({ connections: { total: 64, perPeer: 2, kept: 0 } });
  const { ask, serials, fleet, callers } = served;
  const [greedy, other] = [fleet.issue('sled'), fleet.issue('sled')];
  const slow = [ask(greedy, 'wait'), ask(greedy, 'wait')];
  await expect.poll(() => serials.length).toBe(2);
  expect(await ask(greedy, 'a')).toBe('PEER_UNREACHABLE');
  for (const own of [other, callers.nexus, callers.anonymous]) expect(await ask(own, 'a')).toBe('ok');
  // These leave idle connections, of which one gives way.
  for (let count = 0; count < 3; count += 1) expect(await ask(other, 'a')).toBe('ok');
  await served[Symbol.asyncDispose]();
  expect(await Promise.all(slow)).toEqual(['ok', 'ok']);
});

test('a client whose certificate was renewed presents the new one on new connections, and open ones go on (PE2)', async () => {
  await using served = await serveWaiting({});
  const { fleet, server, serials } = served;
  const { id } = fleet.issue('nexus').identity;
  const credentials = replaceableCredentials(fleet.issue('nexus', { id }));
  await using peers = securePeers(credentials);
  const client = createApiClient(testApi, {
    baseUrl: `https://${server.address}`,
    dispatcher: peers.dispatcher({ kind: 'sled' }),
  });
  const greet = (name: string) => client.greet({ params: { name }, query: { times: 1 } }, { signal });
  const publicKeyOf = ({ certificatePem }: Credentials) =>
    keyOf(new X509Certificate(certificatePem).publicKey);
  const before = publicKeyOf(credentials.current());
  const onTheOpenOne = greet('wait');
  await expect.poll(() => serials).toEqual([before]);
  credentials.replace(fleet.issue('nexus', { id }));
  const after = publicKeyOf(credentials.current());
  // The open one is busy, so that this takes a new one.
  await greet('a');
  expect(serials).toEqual([before, after]);
  await served[Symbol.asyncDispose]();
  await onTheOpenOne;
});
