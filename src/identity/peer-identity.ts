/**
 * The identities of this fleet's processes, and how a certificate names one.
 *
 *     spiffe://FLEET/nexus/ID      spiffe://FLEET/sled/ID
 *
 * PI1. FLEET is a SPIFFE trust domain, ID a UUID in lower case. A name has exactly one spelling, and names are compared as
 *      whole texts: never by prefix, never by address, never by a subject or a DNS name.
 */
import { z } from 'zod';

export const PEER_KINDS = ['nexus', 'sled'] as const;
export type PeerKind = (typeof PEER_KINDS)[number];

export type PeerIdentity = {
  /** The trust domain that all processes of one fleet share. */
  readonly fleet: string;
  readonly kind: PeerKind;
  readonly id: string;
};

/** Without an id, any process of that kind in the fleet is expected. */
export type ExpectedPeer = { readonly fleet: string; readonly kind: PeerKind; readonly id?: string };

/** The SPIFFE standard, 2.1: lower-case letters, digits, dots, dashes and underscores. */
export const FleetName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-z0-9._-]+$/, 'must consist of lower-case letters, digits, dots, dashes and underscores');

const SPIFFE_ID = new RegExp(
  `^spiffe://([a-z0-9._-]{1,255})/(${PEER_KINDS.join('|')})/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$`,
);

export const spiffeId = ({ fleet, kind, id }: PeerIdentity): string => `spiffe://${fleet}/${kind}/${id}`;

/** Undefined for every text that {@link spiffeId} does not make. */
export const parseSpiffeId = (uri: string): PeerIdentity | undefined => {
  const [, fleet, kind, id] = SPIFFE_ID.exec(uri) ?? [];
  if (fleet === undefined || id === undefined) return undefined;
  return { fleet, kind: kind === 'nexus' ? 'nexus' : 'sled', id };
};

export const isExpected = (
  identity: PeerIdentity,
  { fleet, kind, id = identity.id }: ExpectedPeer,
): boolean => spiffeId(identity) === spiffeId({ fleet, kind, id });

/** `spiffe://FLEET/sled/ID`, or `any nexus of FLEET`, for messages. */
export const expectedText = ({ fleet, kind, id }: ExpectedPeer): string =>
  id === undefined ? `any ${kind} of the fleet ${fleet}` : spiffeId({ fleet, kind, id });
