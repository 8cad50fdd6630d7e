/**
 * TLS 1.3 with the identities of a fleet.
 *
 * TI1. A connection to a peer is opened only with an expectation, and is used only if the peer's certificate has exactly the
 *      expected name. Host names and addresses are not compared.
 * TI2. A server completes the handshake with any client, so that a refusal can name its reason. OpenSSL verifies the certificate
 *      once for each connection. For each request its end is compared with the time, and its name with the route.
 * TI3. Sessions are not resumed: OpenSSL would not verify the certificate again.
 */
import { constants, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type ConnectionOptions, type PeerCertificate, TLSSocket, type TlsOptions } from 'node:tls';
import type { DepotError } from '../lib/errors.ts';
import { countsSinceMs, identityOf } from './certificate.ts';
import { type CredentialSource, type Credentials, isIssuedByAuthority } from './credentials.ts';
import { judgedPeer, type Peer, serverFault } from './judged-peer.ts';
import type { ExpectedPeer } from './peer-identity.ts';

/** What a client has to have: authorities, and the certificate if it identifies itself. */
export type ClientCredentials = Pick<Credentials, 'authoritiesPem'> &
  Partial<Pick<Credentials, 'certificatePem' | 'keyPem'>>;

/** Options of `connect` and of undici's connector. */
export type ClientTls = Required<
  Pick<ConnectionOptions, 'ca' | 'minVersion' | 'ciphers' | 'rejectUnauthorized' | 'checkServerIdentity'>
> &
  Pick<ConnectionOptions, 'cert' | 'key'>;

/** By what a process judges the certificates of others. */
export type Judge = Pick<CredentialSource, 'revocations' | 'nowMs'>;

const TLS_VERSION = 'TLSv1.3';
/** The first one takes the least processor time on a machine with instructions for AES: bench/tls.ts. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384';

export const serverTls = ({ certificatePem, keyPem, authoritiesPem }: Credentials): TlsOptions => ({
  cert: certificatePem,
  key: keyPem,
  ca: authoritiesPem,
  minVersion: TLS_VERSION,
  ciphers: CIPHERS,
  requestCert: true,
  rejectUnauthorized: false,
  secureOptions: constants.SSL_OP_NO_TICKET,
});

export const clientTls = (
  { authoritiesPem, certificatePem, keyPem }: ClientCredentials,
  expected: ExpectedPeer,
  by?: Judge,
): ClientTls => ({
  ca: authoritiesPem,
  cert: certificatePem,
  key: keyPem,
  minVersion: TLS_VERSION,
  ciphers: CIPHERS,
  rejectUnauthorized: true,
  checkServerIdentity: (host, certificate) => unexpectedPeer(host, certificate, expected, by),
});

/** OpenSSL has verified the chain, and the times of the certificate by the clock, before (TI1). */
const unexpectedPeer = (
  host: string,
  { raw }: Pick<PeerCertificate, 'raw'>,
  expected: ExpectedPeer,
  by: Judge | undefined,
): DepotError | undefined => {
  const certificate = new X509Certificate(raw);
  const presented = {
    identity: identityOf(certificate),
    notBeforeMs: countsSinceMs(certificate),
    notAfterMs: certificate.validToDate.getTime(),
  };
  return serverFault(host, presented, { expected, revocations: by?.revocations, nowMs: by?.nowMs() });
};

/**
 * For each request (TI2): OpenSSL judges the times of a certificate when the connection begins, and never again.
 */
export const peerOf = (
  socket: Socket,
  { current, revocations, nowMs }: Judge & Pick<CredentialSource, 'current'>,
): Peer => {
  if (!(socket instanceof TLSSocket)) return { kind: 'plain' };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'anonymous' };
  const notAfterMs = certificate.validToDate.getTime();
  const hasExpired = notAfterMs < nowMs();
  // OpenSSL names one fault alone, which may hide that nobody of this fleet issued the certificate.
  const isTrusted =
    socket.authorized || (hasExpired && isIssuedByAuthority(certificate, current().authoritiesPem));
  if (!isTrusted) return { kind: 'refused', because: verificationFault(socket.authorizationError) };
  return judgedPeer(
    {
      identity: identityOf(certificate),
      publicKey: certificate.publicKey,
      notBeforeMs: countsSinceMs(certificate),
      notAfterMs,
    },
    { fleet: current().identity.fleet, revocations, nowMs: nowMs() },
  );
};

const verificationFault = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  if (code === 'CERT_HAS_EXPIRED') return 'it has expired';
  if (code === 'CERT_NOT_YET_VALID') return 'it is not valid yet; compare the clocks of both machines';
  return `no authority of this fleet issued it (${code})`;
};
