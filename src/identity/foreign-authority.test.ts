/** Certificates of an operator's own authority: what is accepted, and what is refused before it fails at a peer (CS1). */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Credentials, readCredentials } from './credentials.ts';
import { listening, replaceableCredentials, writeCredentials } from './identity.fixture.ts';
import {
  identified,
  type OpensslAuthority,
  opensslAuthority,
  opensslCertificate,
} from './openssl-authority.fixture.ts';
import { clientTls, peerOf, serverTls } from './tls.ts';

const FLEET = 'prod.example.org';
const ID = randomUUID();
const NAME = `spiffe://${FLEET}/sled/${ID}`;

let directory: string;
let root: OpensslAuthority;
let intermediate: OpensslAuthority;
let second: OpensslAuthority;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'foreign-authority-'));
  root = await opensslAuthority(join(directory, 'root'), FLEET);
  intermediate = await opensslAuthority(join(directory, 'intermediate'), FLEET, root);
  second = await opensslAuthority(join(directory, 'second'), FLEET, intermediate);
});
afterAll(() => rm(directory, { recursive: true }));

const read = async (written: Omit<Credentials, 'identity'>): Promise<Credentials> => {
  const files = await writeCredentials(join(directory, randomUUID()), written as Credentials);
  return await readCredentials(files, 'sled');
};
const issue = (by: OpensslAuthority, ...rest: Tail<Parameters<typeof opensslCertificate>>) =>
  opensslCertificate(join(directory, randomUUID()), by, ...rest);
type Tail<T extends readonly unknown[]> = T extends readonly [unknown, unknown, ...infer R] ? R : never;

/** A connection of these two, each of which judges the other. */
const connectsTo = async (server: Credentials, client: Credentials): Promise<string> => {
  const listener = createServer(serverTls(server));
  await using at = await listening(listener);
  const accepted = once(listener, 'secureConnection');
  const expected = { fleet: FLEET, kind: 'sled', id: ID } as const;
  const socket = connect({ ...at.address, ...clientTls(client, expected) });
  await once(socket, 'secureConnect');
  const [caller] = await accepted;
  const peer = peerOf(caller as TLSSocket, replaceableCredentials(server));
  socket.destroy();
  (caller as TLSSocket).destroy();
  return peer.kind === 'refused' ? peer.because : peer.kind;
};

describe('a certificate is accepted, as client and as server (T1)', () => {
  test.each([
    ['directly below the root', () => issue(root, [NAME])],
    ['below an intermediate', () => issue(intermediate, [NAME])],
    ['below two intermediates', () => issue(second, [NAME])],
    ['with an Ed25519 key', () => issue(intermediate, [NAME], { key: 'ed25519' })],
    ['with an RSA key', () => issue(intermediate, [NAME], { key: 'rsa' })],
    ['with a subject that has a common name', () => issue(intermediate, [NAME], { subject: '/CN=nexus' })],
    [
      'with DNS names and addresses beside its URI',
      () => issue(intermediate, [NAME], { alsoNamed: ['DNS:sled-1.example.org', 'IP:10.0.0.11'] }),
    ],
    [
      'without the extension for extended key usages',
      () => issue(intermediate, [NAME], { usages: undefined }),
    ],
  ])('%s', async (_, make) => {
    const credentials = await read(await make());
    expect(credentials.identity).toEqual({ fleet: FLEET, kind: 'sled', id: ID });
    expect(await connectsTo(credentials, credentials)).toBe('identified');
  });
});

describe('a certificate is refused when it is read, with what is wrong with it (CS1)', () => {
  const NO_NAME = /names no process of a fleet: its only URI name must be spiffe:\/\/FLEET\/nexus\/ID/;
  test.each([
    ['with two URIs', () => issue(intermediate, [NAME, `${NAME.slice(0, -1)}0`]), NO_NAME],
    [
      'without a URI',
      () => issue(intermediate, [], { subject: '/CN=sled-1', alsoNamed: ['DNS:sled-1.example.org'] }),
      NO_NAME,
    ],
    [
      'with the id in upper case',
      () => issue(intermediate, [NAME.toUpperCase().replace(/.*\/SLED/, `spiffe://${FLEET}/sled`)]),
      NO_NAME,
    ],
    [
      'with the path of a workload of Kubernetes',
      () => issue(intermediate, [`spiffe://${FLEET}/ns/fleet/sa/sled`]),
      NO_NAME,
    ],
    [
      'for servers alone',
      () => issue(intermediate, [NAME], { usages: 'serverAuth' }),
      /is not for client authentication: issue it for server and client authentication/,
    ],
    [
      'for clients alone',
      () => issue(intermediate, [NAME], { usages: 'clientAuth' }),
      /is not for server authentication: issue it for server and client authentication/,
    ],
    [
      'without the intermediate between it and the root',
      async () => {
        const { certificatePem, ...rest } = await issue(intermediate, [NAME]);
        return { ...rest, certificatePem: certificatePem.replace(intermediate.certificatePem, '') };
      },
      /was issued by none of the authorities in .*ca\.pem; add the one that issued it/,
    ],
  ] as const)('%s', async (_, make, message) => {
    await expect(read(await make())).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
  });
});

test('a peer whose authority is another root is refused with the reason', async () => {
  const other = await opensslAuthority(join(directory, 'other'), FLEET);
  const mine = identified(await issue(intermediate, [NAME]));
  const theirs = identified(await issue(other, [NAME]));
  expect(await connectsTo(mine, { ...theirs, authoritiesPem: mine.authoritiesPem })).toMatch(
    /^no authority of this fleet issued it/,
  );
});
