/** Fleets of identities for tests: an authority, and certificates of processes below it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import type { Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { Revocation } from '../core/revocation.ts';
import { type AdminKeys, NO_ADMIN_KEYS } from './admin-key.ts';
import { countsSinceMs } from './certificate.ts';
import type { CredentialSource, Credentials, IdentityFiles } from './credentials.ts';
import { type Authority, generateKey, issueAuthority, issueCertificate, type Validity } from './issue.ts';
import type { PeerIdentity, PeerKind } from './peer-identity.ts';
import { createListeners } from './remembered.ts';
import { createRevocations, type Revocations } from './revocations.ts';
import { createStatements, type Statements } from './statements.ts';
import { serverTls } from './tls.ts';

const DAY_MS = 86_400_000;

/** From an hour before to some days after. */
export const validNow = (days = 30): Validity => ({
  notBeforeMs: Date.now() - 3_600_000,
  notAfterMs: Date.now() + days * DAY_MS,
});

export type TestFleetIdentity = {
  readonly fleet: string;
  readonly authority: Authority;
  /** Of the authority's files, for a Nexus that renews certificates. */
  readonly authorityDirectory?: string;
  /** Public, for a Nexus that verifies statements. */
  readonly adminKeyFile?: string;
  readonly issue: (
    kind: PeerKind,
    options?: { readonly id?: string; readonly validity?: Validity; readonly fleet?: string },
  ) => Credentials;
};

export const testFleetIdentity = (fleet = 'test.example', validity = validNow()): TestFleetIdentity => {
  const authority = issueAuthority(fleet, validity);
  return {
    fleet,
    authority,
    issue(kind, { id = randomUUID(), validity: own = validNow(), fleet: domain = fleet } = {}) {
      const { privateKey, publicKey } = generateKey();
      const identity: PeerIdentity = { fleet: domain, kind, id };
      const certificate = issueCertificate(authority, { identity, publicKey, validity: own });
      return {
        identity,
        certificatePem: certificate.toString(),
        keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        authoritiesPem: authority.certificate.toString(),
        notBeforeMs: countsSinceMs(certificate),
        notAfterMs: certificate.validToDate.getTime(),
      };
    },
  };
};

/** As `identity init` writes them. */
export const writeAuthority = async (
  directory: string,
  { certificate, privateKey }: Authority,
): Promise<void> => {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'ca.pem'), certificate.toString());
  await writeFile(join(directory, 'ca-key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
};

/** In memory. */
export const knownRevocations = (...known: readonly Revocation[]): Revocations =>
  createRevocations({ known, save: async () => undefined, nowMs: Date.now });

/** In memory. */
export const knownStatements = (keys: AdminKeys = NO_ADMIN_KEYS, fleet = 'test.example'): Statements =>
  createStatements({ known: [], keys, fleet, save: async () => undefined });

/** Credentials that a test replaces. */
export const replaceableCredentials = (
  first: Credentials,
): CredentialSource & { readonly replace: (next: Credentials) => void } => {
  let current = first;
  const { onChange, tell } = createListeners();
  const revocations = knownRevocations();
  return {
    ...{ revocations, statements: knownStatements() },
    nowMs: () => Math.max(Date.now(), current.notBeforeMs),
    current: () => current,
    onChange,
    replace(next) {
      current = next;
      tell();
    },
  };
};

export const writeCredentials = async (
  directory: string,
  { certificatePem, keyPem, authoritiesPem }: Credentials,
): Promise<IdentityFiles> => {
  await mkdir(directory, { recursive: true });
  const files = {
    certificateFile: join(directory, 'certificate.pem'),
    keyFile: join(directory, 'key.pem'),
    authoritiesFile: join(directory, 'ca.pem'),
  };
  await writeFile(files.certificateFile, certificatePem);
  await writeFile(files.keyFile, keyPem);
  await writeFile(files.authoritiesFile, authoritiesPem);
  return files;
};

export const listening = async (server: NetServer) => {
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

/** A Nexus of that fleet that answers nothing, and every byte that it receives over TLS. */
export const serveRecording = async (
  identity: TestFleetIdentity,
  credentials: Credentials = identity.issue('nexus'),
) => {
  const received: Buffer[] = [];
  const server = createServer(serverTls(credentials), socket => {
    socket.on('data', (data: Buffer) => received.push(data)).on('error', () => undefined);
  });
  return { ...(await listening(server)), received };
};
