/**
 * Finds the authority that a machine which joins, or a person who logs in, is to trust, among the certificates that a server
 * presents.
 *
 *     TLS handshake with anybody ─▶ certificates of the server ─┬─▶ the one with the expected key ─────────────────┬─▶ closed
 *                                                               └─▶ an authority of a fleet, for a digest of it ──┘
 *
 * JA1. Nothing is sent but the handshake, and nothing is believed but the digest of a key: whoever else sends a certificate
 *      with that key cannot sign with it. The caller connects again, and OpenSSL verifies the server below that authority.
 * JA2. An authority that was found without a digest proves nothing: the caller compares its digest before it is used.
 */

import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { formatAddress, type SocketAddress } from '../lib/endpoint.ts';
import { DepotError } from '../lib/errors.ts';
import { fleetOf } from './authority-files.ts';
import { certificateSha256 } from './certificate.ts';
import { publicKeySha256 } from './invitation-token.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A chain that is longer is not followed. */
const MAX_CHAIN = 8;

/**
 * @param authoritySha256 of its public key
 * @returns in PEM
 * @throws `PEER_UNREACHABLE`, `PEER_IDENTITY` for a server that presents no certificate of that authority
 */
export const presentedAuthority = async (
  address: SocketAddress,
  authoritySha256: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<string> => {
  const where = formatAddress(address);
  const chain = await presentedChain(address, signal);
  const found = chain.find(each => publicKeySha256(each.publicKey) === authoritySha256);
  if (found !== undefined) return found.toString();
  throw new DepotError(
    'PEER_IDENTITY',
    `${where} presents no certificate of the authority that the invitation names (key with the SHA-256 ${authoritySha256}); nothing was sent`,
    {
      detail: {
        remedy:
          'compare the address with the internal_listen of a Nexus of this fleet; the invitation has to be made by a Nexus of it too',
      },
    },
  );
};

export type PresentedFleet = {
  readonly fleet: string;
  readonly authorityPem: string;
  /** Of the certificate of the authority, in hex, as `identity show` prints it. */
  readonly sha256: string;
};

/**
 * The fleet that a server claims to be of (JA2).
 *
 * @throws `PEER_UNREACHABLE`, `PEER_IDENTITY` for a server that presents no authority of a fleet
 */
export const presentedFleet = async (
  address: SocketAddress,
  { signal }: { readonly signal: AbortSignal },
): Promise<PresentedFleet> => {
  for (const each of await presentedChain(address, signal)) {
    const fleet = each.ca ? fleetOf(each.raw) : undefined;
    if (fleet !== undefined) return { fleet, authorityPem: each.toString(), sha256: certificateSha256(each) };
  }
  throw new DepotError(
    'PEER_IDENTITY',
    `${formatAddress(address)} presents no authority of a fleet; nothing was sent`,
  );
};

const presentedChain = async (
  { host, port }: SocketAddress,
  signal: AbortSignal,
): Promise<readonly X509Certificate[]> => {
  const socket = connect({ host, port, minVersion: 'TLSv1.3', rejectUnauthorized: false });
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(HANDSHAKE_TIMEOUT_MS)]);
    await once(socket, 'secureConnect', { signal: deadline });
    return chainOf(socket);
  } catch (cause) {
    signal.throwIfAborted();
    throw new DepotError(
      'PEER_UNREACHABLE',
      `${formatAddress({ host, port })} does not complete a TLS 1.3 handshake`,
      { cause },
    );
  } finally {
    socket.destroy();
  }
};

const chainOf = (socket: TLSSocket): X509Certificate[] => {
  const chain: X509Certificate[] = [];
  for (let each = socket.getPeerX509Certificate(); each !== undefined; each = each.issuerCertificate) {
    if (chain.length === MAX_CHAIN) break;
    chain.push(each);
  }
  return chain;
};
