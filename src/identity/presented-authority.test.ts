import { createServer as createPlainServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { certificateSha256 } from './certificate.ts';
import { listening, serveRecording, testFleetIdentity } from './identity.fixture.ts';
import { publicKeySha256 } from './invitation-token.ts';
import { presentedAuthority, presentedFleet } from './presented-authority.ts';

const wait = { signal: new AbortController().signal };
const fleet = testFleetIdentity();
const sha256 = publicKeySha256(fleet.authority.certificate.publicKey);

test('the authority is found among the certificates of a server, by its key alone (JA1)', async () => {
  await using nexus = await serveRecording(fleet);
  const pem = await presentedAuthority(nexus.address, sha256, wait);
  expect(pem).toBe(fleet.authority.certificate.toString());
  expect(nexus.received).toEqual([]);
});

test('a server below another authority is named with what to compare, and nothing is sent to it (JA1)', async () => {
  await using nexus = await serveRecording(testFleetIdentity());
  await expect(presentedAuthority(nexus.address, sha256, wait)).rejects.toMatchObject({
    code: 'PEER_IDENTITY',
    message: expect.stringMatching(/presents no certificate of the authority .*; nothing was sent$/),
    detail: { remedy: expect.stringContaining('internal_listen') },
  });
  expect(nexus.received).toEqual([]);
});

test('a server says of which fleet it is, with the digest that a person compares (JA2)', async () => {
  await using nexus = await serveRecording(fleet);
  expect(await presentedFleet(nexus.address, wait)).toEqual({
    fleet: 'test.example',
    authorityPem: fleet.authority.certificate.toString(),
    sha256: certificateSha256(fleet.authority.certificate),
  });
  expect(nexus.received).toEqual([]);
});

test('a server that presents its own certificate alone is of no fleet (JA2)', async () => {
  const alone = fleet.issue('nexus');
  await using nexus = await serveRecording(fleet, { ...alone, authoritiesPem: alone.certificatePem });
  await expect(presentedFleet(nexus.address, wait)).rejects.toMatchObject({
    code: 'PEER_IDENTITY',
    message: expect.stringMatching(/presents no authority of a fleet; nothing was sent$/),
  });
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
