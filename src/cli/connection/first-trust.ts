/**
 * The first login to a fleet: which authority the server has to be below, before anything is sent to it.
 *
 *     address ─┬─ https ─┬─ --ca-file ───────────────────────────────────────────────────────┬─▶ authority and fleet
 *              │         └─ handshake with anybody ─▶ digest ─▶ --ca-digest, or a person ────┘
 *              └─ http ──── loopback alone ──────────────────────────────────────────────────▶ none
 *
 * LGF1. Until the authority is confirmed the server receives a handshake, and no request. Then OpenSSL verifies it below that
 *      authority, on another connection.
 * LGF2. Without a terminal nobody compares a digest: then it has to be given, and the server is not asked before.
 */
import { isLoopback } from '../../http/listen.ts';
import { type PresentedFleet, presentedFleet } from '../../identity/presented-authority.ts';
import { endpointUrl, formatAddress, type SocketAddress, splitAddress } from '../../lib/endpoint.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import { usageError } from '../output/failure.ts';
import { askLine, isInteractive } from '../session/prompt.ts';
import type { Session } from '../session/session.ts';
import { type FleetTrust, parseUrl, readFleetTrust } from './connection.ts';

export type FirstTrust = {
  /** A path. */
  readonly caFile?: string | undefined;
  readonly caDigest?: string | undefined;
};

/** `10.0.0.1:12220`, or a whole URL. */
export const parseLoginAddress = (text: string): string => {
  if (text.includes('://')) return parseUrl(text);
  if (/^(?:\[[0-9a-fA-F:.]+\]|[^:[\]/@\s]+):\d{1,5}$/.test(text))
    return parseUrl(endpointUrl({ scheme: 'https', ...splitAddress(text) }));
  throw usageError(
    `${text} is not the address of a Nexus`,
    'write it like 10.0.0.1:12220: its operator_listen',
  );
};

/** @returns undefined for plain HTTP. @throws `USAGE`, `PEER_UNREACHABLE`, `PEER_IDENTITY` */
export const establishTrust = async (
  url: string,
  { caFile, caDigest }: FirstTrust,
  session: Session,
): Promise<FleetTrust | undefined> => {
  if (caFile !== undefined && caDigest !== undefined)
    throw usageError('--ca-file and --ca-digest exclude each other', 'give one');
  const expected = caDigest === undefined ? undefined : parseDigest(caDigest);
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'http:') {
    requireThisMachine(host, { url, caFile, caDigest });
    return undefined;
  }
  if (caFile !== undefined) return await readFleetTrust(caFile);
  if (expected === undefined && !isInteractive(session)) throw nobodyCompares();
  const address = { host, port: port === '' ? 443 : Number(port) };
  const presented = await fleetAt(address, session);
  if (expected === undefined) await confirm(presented, address, session);
  else requireDigest(presented, address, expected);
  return { authoritiesPem: presented.authorityPem, fleet: presented.fleet };
};

const requireThisMachine = (host: string, { url, caFile, caDigest }: FirstTrust & { url: string }): void => {
  if (caFile !== undefined || caDigest !== undefined)
    throw usageError(
      `an authority is given, and ${url} is not encrypted`,
      `write it like ${url.replace('http:', 'https:')}`,
    );
  if (isLoopback(host)) return;
  throw usageError(
    `${url} is neither encrypted nor on this machine, so a login would show the token to others; nothing was sent`,
    `give the Nexus an [identity], and write ${url.replace('http:', 'https:')}`,
  );
};

const fleetAt = async (address: SocketAddress, { signal }: Session): Promise<PresentedFleet> => {
  try {
    return await presentedFleet(address, { signal });
  } catch (cause) {
    const code = errorCodeOf(cause);
    if (code !== 'PEER_UNREACHABLE' && code !== 'PEER_IDENTITY') throw cause;
    const remedy =
      code === 'PEER_IDENTITY'
        ? 'give the operator_listen of a Nexus; with an authority of your own give --ca-file, or see Identities in docs/operations.md'
        : `check that the Nexus runs, and that this is its operator_listen; if it has no TLS, on its machine: tuf-depot login ${endpointUrl({ scheme: 'http', ...address })}`;
    throw new DepotError(code, `cannot log in at ${formatAddress(address)}`, { cause, detail: { remedy } });
  }
};

/** Hex digits, with or without colons. */
const parseDigest = (text: string): string => {
  const digest = text.replaceAll(':', '').toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digest)) return digest;
  throw usageError(`--ca-digest ${text} is not a SHA-256`, `give the 64 hex digits that ${SHOW} prints`);
};

const SHOW = 'tuf-depot identity show ca.pem';

const nobodyCompares = (): DepotError =>
  usageError(
    'there is no terminal, so nobody can compare the digest of the authority; nothing was sent',
    `give --ca-digest DIGEST, the SHA-256 that ${SHOW} prints on the machine of the Nexus, or the file with --ca-file`,
  );

const requireDigest = ({ fleet, sha256 }: PresentedFleet, address: SocketAddress, expected: string): void => {
  if (sha256 === expected) return;
  throw new DepotError(
    'PEER_IDENTITY',
    `${formatAddress(address)} presents an authority of ${fleet} with the SHA-256 ${sha256}, and --ca-digest is ${expected}; nothing was sent`,
    {
      detail: {
        remedy: `check the address, and compare with the line SHA-256 that ${SHOW} prints on the machine of the Nexus; a replaced authority has another digest`,
      },
    },
  );
};

const confirm = async (
  { fleet, sha256 }: PresentedFleet,
  address: SocketAddress,
  session: Session,
): Promise<void> => {
  const { terminal } = session;
  for (const line of [
    `The server at ${formatAddress(address)} says that it is a Nexus of the fleet ${fleet}. Its authority has the SHA-256`,
    `  ${sha256}`,
    `Compare it with the line SHA-256 that ${SHOW} prints on the machine of the Nexus, in its directory identity.`,
  ])
    terminal.note(line);
  const answer = await askLine(session, 'Are all digits the same? Type yes or no:');
  if (answer.toLowerCase() === 'yes') return;
  throw new DepotError('PEER_IDENTITY', `the authority of ${fleet} was not confirmed; nothing was sent`, {
    detail: { remedy: 'if the digests differ, this server is no Nexus of your fleet: check the address' },
  });
};
