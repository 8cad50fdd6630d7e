/**
 * Which sleds may speak plain HTTP (ADR 0013).
 *
 *     approval of an operator ─▶ registration without an identity, from the approved address ─▶ plain HTTP to that address
 *
 * STR1. A person alone approves a sled as plain, by its id and at one address: no registration, failure or silence does.
 * STR2. A registration without an identity counts for an approved sled alone. It comes from the approved address, and names it.
 * STR3. A registration with an identity ends the approval: the sled does not need it, and a later process at its address that
 *       has no identity is not taken for it.
 */
import type { SledId } from '../../../core/ids.ts';
import type { SledRegistration } from '../../../core/sled-registration.ts';
import { canonicalHost } from '../../../http/request-guard.ts';
import { splitAddress } from '../../../lib/endpoint.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { SledTransport } from '../ports/sled-port.ts';

/**
 * @param approved the address of the approval
 * @param plainFrom undefined for a registration with an identity
 * @returns the address of an approval that ends (STR3)
 * @throws `SLED_NOT_PLAIN`
 */
export const judgeTransport = (
  id: SledId,
  { approved, plainFrom }: { readonly approved: string | undefined; readonly plainFrom: string | undefined },
  { agentAddress }: Pick<SledRegistration, 'agentAddress'>,
): string | undefined => {
  if (plainFrom === undefined) return approved;
  const host = hostOf(agentAddress);
  if (approved !== undefined && plainFrom === approved && host === approved) return undefined;
  const why =
    approved === undefined
      ? 'it is not approved'
      : `it is approved at ${approved}, came from ${plainFrom} and names ${host}`;
  throw new DepotError('SLED_NOT_PLAIN', `sled ${id} may not register without an identity: ${why}`);
};

/** In one spelling, as the addresses of approvals and connections. */
const hostOf = (agentAddress: string): string => canonicalHost(splitAddress(agentAddress).host);

/** The address for which a sled becomes approved; undefined for `tls`. */
export const chosenAddress = (
  id: SledId,
  transport: SledTransport,
  known: {
    readonly approved: string | undefined;
    /** Of its registration. */
    readonly agentAddress: string | undefined;
    readonly hasJoined: boolean;
  },
): string | undefined => {
  const isKnown = known.approved !== undefined || known.agentAddress !== undefined || known.hasJoined;
  if (transport.kind === 'tls') {
    if (!isKnown) throw new DepotError('NOT_FOUND', `there is no sled ${id}`);
    return undefined;
  }
  if (transport.address !== undefined) return transport.address;
  if (known.agentAddress !== undefined) return hostOf(known.agentAddress);
  throw new DepotError(
    'INVALID_REQUEST',
    `sled ${id} has not registered, so nothing is known of its address: give the one at which it is approved (--address)`,
  );
};
