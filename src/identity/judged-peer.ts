/**
 * Whether the certificate at the other end of a connection counts, once its issuer is verified.
 *
 *     server: certificate ─▶ judgedPeer() ─▶ the caller, for `admit` in http/caller.ts
 *     client: certificate ─▶ serverFault() ─▶ no request is sent
 *
 * JPE1. A name counts only as a whole: of this fleet, and for a client exactly the expected one.
 * JPE2. A certificate from before the revocation of its name counts nowhere (RVK1).
 * JPE3. One that has ended by the time of the process counts for nothing but its renewal. OpenSSL has compared it with the clock, which
 *      may be behind that time (CS4).
 */
import type { KeyObject } from 'node:crypto';
import { isoTime } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { type ExpectedPeer, expectedText, isExpected, type PeerIdentity, spiffeId } from './peer-identity.ts';
import type { Revocations } from './revocations.ts';

/** The caller at the other end of a server's connection. */
export type Peer =
  /** The server has no TLS. */
  | { readonly kind: 'plain' }
  /** TLS, without a certificate of the caller. */
  | { readonly kind: 'anonymous' }
  /** With a certificate that was not accepted; `revoked`: as which process it is proven all the same. */
  | { readonly kind: 'refused'; readonly because: string; readonly revoked?: PeerIdentity }
  | {
      readonly kind: 'identified';
      readonly identity: PeerIdentity;
      readonly publicKey: KeyObject;
      readonly notBeforeMs: number;
    }
  /** As `identified`, but for its end: the authority of the fleet issued the certificate, and the caller has its key. */
  | {
      readonly kind: 'expired';
      readonly identity: PeerIdentity;
      readonly publicKey: KeyObject;
      readonly notBeforeMs: number;
      readonly notAfterMs: number;
    };

/** What a certificate says. */
export type PresentedCertificate = {
  /** Undefined if it names no process of a fleet. */
  readonly identity: PeerIdentity | undefined;
  readonly publicKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
};

type By = {
  /** Of the server. */
  readonly fleet: string;
  readonly revocations: Pick<Revocations, 'fault'>;
  /** The time of the server (CS4). */
  readonly nowMs: number;
};

/** The caller that an authority of this fleet has issued a certificate to. */
export const judgedPeer = (
  { identity, publicKey, notBeforeMs, notAfterMs }: PresentedCertificate,
  { fleet, revocations, nowMs }: By,
): Peer => {
  if (identity === undefined) return { kind: 'refused', because: 'it names no process of a fleet' };
  if (identity.fleet !== fleet)
    return { kind: 'refused', because: `it is of the fleet ${identity.fleet}, not of ${fleet}` };
  const because = revocations.fault(identity, notBeforeMs);
  if (because !== undefined) return { kind: 'refused', because, revoked: identity };
  return notAfterMs < nowMs
    ? { kind: 'expired', identity, publicKey, notBeforeMs, notAfterMs }
    : { kind: 'identified', identity, publicKey, notBeforeMs };
};

type ByClient = {
  readonly expected: ExpectedPeer;
  readonly revocations: Pick<Revocations, 'fault'> | undefined;
  /** The time of the client (CS4); undefined of one without a certificate, for which OpenSSL has judged. */
  readonly nowMs: number | undefined;
};

const ended = (notAfterMs: number, nowMs: number | undefined): string | undefined =>
  nowMs !== undefined && notAfterMs < nowMs
    ? `it ended at ${isoTime(notAfterMs)}, before the certificate of this process begins: set the clock of this machine, or renew its certificate`
    : undefined;

/** Why a client does not use the server that presents it; undefined if it does. */
export const serverFault = (
  host: string,
  { identity, notBeforeMs, notAfterMs }: Omit<PresentedCertificate, 'publicKey'>,
  { expected, revocations, nowMs }: ByClient,
): DepotError | undefined => {
  if (identity !== undefined && isExpected(identity, expected)) {
    const because = revocations?.fault(identity, notBeforeMs) ?? ended(notAfterMs, nowMs);
    if (because === undefined) return undefined;
    return new DepotError('PEER_IDENTITY', `the certificate of ${host} does not count: ${because}`);
  }
  const actual = identity === undefined ? 'that names no process of a fleet' : `of ${spiffeId(identity)}`;
  return new DepotError(
    'PEER_IDENTITY',
    `${host} presents a certificate ${actual}; expected is ${expectedText(expected)}`,
  );
};
