import { once } from 'node:events';
import { createServer as createPlainServer, type Socket } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { expect, test } from 'vitest';
import { testFleetIdentity } from './identity.fixture.ts';
import { publicKeySha256 } from './invitation-token.ts';
import { presentedAuthority } from './presented-authority.ts';
import { serverTls } from './tls.ts';

const wait = { signal: new AbortController().signal };
const fleet = testFleetIdentity();
const sha256 = publicKeySha256(fleet.authority.certificate.publicKey);

const listening = async (server: Server | ReturnType<typeof createPlainServer>) => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens on a port');
  return {
    address: { host: '127.0.0.1', port: address.port },
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
};

/** A Nexus of that fleet, and every byte that it receives over TLS. */
const serve = async (identity = fleet) => {
  const received: Buffer[] = [];
  const server = createServer(serverTls(identity.issue('nexus')), socket => {
    socket.on('data', (data: Buffer) => received.push(data)).on('error', () => undefined);
  });
  return { ...(await listening(server)), received };
};

test('the authority is found among the certificates of a server, by its key alone (JA1)', async () => {
  await using nexus = await serve();
  const pem = await presentedAuthority(nexus.address, sha256, wait);
  expect(pem).toBe(fleet.authority.certificate.toString());
  expect(nexus.received).toEqual([]);
});

test('a server below another authority is named with what to compare, and nothing is sent to it (JA1)', async () => {
  await using nexus = await serve(testFleetIdentity());
  await expect(presentedAuthority(nexus.address, sha256, wait)).rejects.toMatchObject({
    code: 'PEER_IDENTITY',
    message: expect.stringMatching(/presents no certificate of the authority .*; nothing was sent$/),
    detail: { remedy: expect.stringContaining('internal_listen') },
  });
  expect(nexus.received).toEqual([]);
});

const answerPlainly = (socket: Socket) => {
  socket.on('error', () => undefined).on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
};

test('a server without TLS, and nobody at all, are unreachable', async () => {
  await using plain = await listening(createPlainServer(answerPlainly));
  await expect(presentedAuthority(plain.address, sha256, wait)).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    message: expect.stringContaining('does not complete a TLS 1.3 handshake'),
  });
  await expect(presentedAuthority({ host: '127.0.0.1', port: 1 }, sha256, wait)).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
  });
});
