/**
 * Handlers of the API for machines that join (docs/operations.md, "A machine joins").
 *
 *     token, or the key itself ─▶ of this fleet? ─▶ proof of the key ─▶ transaction: invitation burnt, key recorded ─▶ certificate
 *
 * JH1. A certificate is issued after the commit that records its key, so each one has an invitation. When its answer is lost,
 *      the same key is answered again with another one, which says the same.
 *      It begins after the revocation that this transaction saw, so a later one covers it (ISU1), by the clock of the database (RX6).
 * JH2. A token that is no whole token of this fleet costs no transaction. Whoever has a whole one learns whether it is unknown,
 *      expired or used: nobody guesses 256 bits, and the person in front of the machine has to know.
 * JH3. A stranger can make whole tokens and keys without end: the name of the fleet and its authority are no secret. So few joins
 *      at once have a transaction, each address has fewer, and what one invitation causes again and again is logged once a minute.
 * JH4. A machine that asks by its key alone is listed in the memory of this Nexus, which is bounded, and changes nothing in the
 *      database. A key that an admin denied is told so, until an admin approves it.
 */
import { createHash, type KeyObject } from 'node:crypto';
import type { JoinedFleet, JoinedFleetAsNexus, joinApi } from '../../api/join-api.ts';
import { SledId } from '../../core/ids.ts';
import type { PendingJoins } from '../../core/pending-joins.ts';
import type { Handlers } from '../../http/handlers.ts';
import { type PlaceLimits, strangerOf } from '../../http/places.ts';
import { createRequestPlaces, type RequestPlaces } from '../../http/request-places.ts';
import {
  keyInvitationSha256,
  parseInvitationToken,
  publicKeySha256,
} from '../../identity/invitation-token.ts';
import { type CertificateIssuer, requireIssuer } from '../../identity/issuer.ts';
import { type JoinProof, provenKey } from '../../identity/join-proof.ts';
import type { PeerIdentity } from '../../identity/peer-identity.ts';
import { type Clock, isoTime } from '../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { tokenDigest } from '../../lib/operator-token.ts';
import type { InvitationPort, JoinOutcome } from '../datastore/ports/invitation-port.ts';
import type { NexusInvitationPort } from '../datastore/ports/nexus-invitation-port.ts';
import type { Note } from '../history/history.ts';
import type { OriginOfMachine } from '../operators/audit-origin.ts';
import type { FleetPins } from './fleet-pins.ts';

type Deps = {
  readonly datastore: Pick<InvitationPort & NexusInvitationPort, 'sledJoin' | 'nexusJoin' | 'isKeyDenied'>;
  /** Undefined for a Nexus without the authority's key. */
  readonly issuer?: CertificateIssuer | undefined;
  readonly originOfMachine: OriginOfMachine;
  readonly newId: () => string;
  readonly note: Note;
  /** The sled that it replaces is expunged (B16). */
  readonly activateReplication: () => void;
  /** Reads what the database says, so that this Nexus refuses the key that was replaced at once. */
  readonly learnRevocations: (options: {
    readonly log: Logger;
    readonly signal: AbortSignal;
  }) => Promise<void>;
  readonly announceRevocations: () => void;
  readonly pins: Pick<FleetPins, 'offered'>;
  /** The machines that ask without a token (PEJ1). */
  readonly pendingJoins: PendingJoins;
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>;
};

/** Of the connections to the database, which all requests share. A join takes a few milliseconds (JH3). */
const JOIN_LIMITS: PlaceLimits = { total: 4, perPeer: 2, kept: 0 };
const LOG_EVERY_MS = 60_000;

export const createJoinApi = (deps: Deps): Handlers<typeof joinApi> => {
  const places = createRequestPlaces(JOIN_LIMITS);
  const mayLog = createLogLimit(deps.clock);
  const joining = { ...deps, places, mayLog };
  return {
    sledJoin: request => joinByInvitation(request, joining),
    nexusJoin: request => joinAsNexus(request, joining),
  };
};

type Joining = Deps & { readonly places: RequestPlaces; readonly mayLog: LogLimit };

const joinByInvitation = async (
  { body, signal, log, ...request }: JoinCall,
  deps: Joining,
): Promise<JoinedFleet> => {
  const issuer = requireIssuer(deps.issuer);
  const { sha256, publicKey } = proofOf(issuer, body);
  using _place = deps.places.take(request.caller.claimant);
  const wanted = {
    sha256,
    publicKeySha256: publicKeySha256(publicKey),
    newSledId: SledId.parse(deps.newId()),
    presentSledId: body.present_sled_id,
    serial: body.serial,
  };
  const { sledId, invitationId, isRepeat, expunged, ...times } = await deps.datastore
    .sledJoin(wanted, { signal, audit: deps.originOfMachine(request) })
    .catch(async (error: unknown) => {
      reportMistaken(error, sha256, { log, ...request }, deps);
      if (body.token === undefined && errorCodeOf(error) === 'INVITATION_INVALID')
        throw await notApproved(wanted.publicKeySha256, error, { signal, ...request }, deps);
      throw error;
    });
  deps.pendingJoins.remove(wanted.publicKeySha256);
  if (!isRepeat || deps.mayLog(`repeated ${sha256}`))
    log.info({ sled_id: sledId, invitation_id: invitationId, repeated: isRepeat }, 'machine joined');
  if (expunged !== undefined) {
    log.info({ sled_id: expunged, replaced_by: sledId }, 'replaced sled expunged');
    deps.note({ kind: 'sled_policy', sledId: expunged, policy: 'expunged' });
    deps.activateReplication();
  }
  const joined = { kind: 'sled', id: sledId, publicKey, ...times } as const;
  return {
    sled_id: sledId,
    ...(await certify(issuer, joined, { ...deps, log, signal })),
    ...(await pinsFor(body.token, deps.pins, { signal })),
  };
};

/** Of a token that names some: a machine of the version before ignores them, and reads no database for them. */
const pinsFor = async (
  token: string | undefined,
  pins: Joining['pins'],
  wait: { readonly signal: AbortSignal },
): Promise<Pick<JoinedFleet, 'admin_keys' | 'root_chains'>> => {
  if (token === undefined || parseInvitationToken(token)?.pins === undefined) return {};
  const { adminKeys, rootChains } = await pins.offered(wait);
  return { admin_keys: [...adminKeys], root_chains: rootChains.map(chain => [...chain]) };
};

type JoinCall = Parameters<Handlers<typeof joinApi>['sledJoin']>[0];
type NexusJoinCall = Parameters<Handlers<typeof joinApi>['nexusJoin']>[0];

const joinAsNexus = async (
  { body, signal, log, ...request }: NexusJoinCall,
  deps: Joining,
): Promise<JoinedFleetAsNexus> => {
  const issuer = requireIssuer(deps.issuer);
  const { sha256, publicKey } = proofOf(issuer, body);
  using _place = deps.places.take(request.caller.claimant);
  const wanted = {
    sha256,
    publicKeySha256: publicKeySha256(publicKey),
    presentNexusId: body.present_nexus_id,
  };
  const { nexusId, invitationId, isRepeat, ...times } = await deps.datastore
    .nexusJoin(wanted, { signal, audit: deps.originOfMachine(request) })
    .catch((error: unknown) => {
      reportMistaken(error, sha256, { log, ...request }, deps);
      throw error;
    });
  if (!isRepeat || deps.mayLog(`repeated ${sha256}`))
    log.info(
      { joined_nexus_id: nexusId, invitation_id: invitationId, repeated: isRepeat },
      'machine joined as a Nexus',
    );
  const joined = { kind: 'nexus', id: nexusId, publicKey, ...times } as const;
  return { nexus_id: nexusId, ...(await certify(issuer, joined, { ...deps, log, signal })) };
};

type JoinedMachine = Pick<PeerIdentity, 'kind' | 'id'> &
  Pick<JoinOutcome, 'revokedMs' | 'nowMs'> & { readonly publicKey: KeyObject };

/** JH1. After the commit of the join, which may have revoked the key before. */
const certify = async (
  issuer: CertificateIssuer,
  { kind, id, publicKey, revokedMs, nowMs }: JoinedMachine,
  { learnRevocations, announceRevocations, log, signal }: Joining & Pick<JoinCall, 'log' | 'signal'>,
): Promise<Pick<JoinedFleet, 'certificate_pem' | 'ca_pem' | 'not_after'>> => {
  await learnRevocations({ log, signal });
  announceRevocations();
  const { fleet } = issuer;
  const { certificatePem, notAfterMs } = issuer.issue({ fleet, kind, id }, publicKey, {
    revokedMs: revokedMs ?? undefined,
    fromMs: nowMs,
  });
  return {
    certificate_pem: certificatePem,
    ca_pem: issuer.authoritiesPem(),
    not_after: isoTime(notAfterMs),
  };
};

/** JH4. The error for a machine without a token whose key no open invitation names. */
const notApproved = async (
  key: string,
  cause: unknown,
  { caller, signal }: Pick<JoinCall, 'caller' | 'signal'>,
  { datastore, pendingJoins, clock }: Pick<Joining, 'datastore' | 'pendingJoins' | 'clock'>,
): Promise<DepotError> => {
  if (await datastore.isKeyDenied(key, { signal }))
    return new DepotError('JOIN_DENIED', `an admin denied the key with the SHA-256 ${key}`, { cause });
  const { address = '' } = caller;
  const isListed = pendingJoins.asked({ key, address, network: strangerOf(address) }, clock.nowMs());
  const how = isListed ? '' : '; too many machines ask, and it is not listed: approve it by that digest';
  return new DepotError('JOIN_NOT_APPROVED', `no admin has approved the key with the SHA-256 ${key}${how}`, {
    cause,
  });
};

/** Two have had one token, or the wrong machine has it: a person should know, whichever of them complains. */
const reportMistaken = (
  error: unknown,
  sha256: string,
  { log, caller }: Pick<JoinCall, 'log' | 'caller'>,
  { mayLog }: Pick<Joining, 'mayLog'>,
): void => {
  const code = errorCodeOf(error);
  const what =
    code === 'INVITATION_USED'
      ? 'a used token was sent again'
      : code === 'SLED_SERIAL_DIFFERS'
        ? 'an invitation was used on a machine with another serial number'
        : undefined;
  if (what !== undefined && mayLog(`${code} ${sha256}`))
    log.warn({ err: error, address: caller.address }, what);
};

/** What the database looks the invitation up by, and the proven key. @throws `INVITATION_INVALID`, `INVALID_REQUEST` */
const proofOf = (
  issuer: CertificateIssuer,
  { token, public_key, signature }: JoinCall['body'],
): { readonly sha256: string; readonly publicKey: KeyObject } => {
  if (token !== undefined) requireTokenOf(issuer, token);
  const proof = {
    publicKeyDer: Buffer.from(public_key, 'base64'),
    signature: Buffer.from(signature, 'base64'),
  };
  const sha256 = token === undefined ? keyInvitationSha256(sha256Of(proof)) : tokenDigest(token);
  const publicKey = provenKey(proof, { fleet: issuer.fleet, tokenSha256: sha256 });
  if (publicKey !== undefined) return { sha256, publicKey };
  throw new DepotError(
    'INVALID_REQUEST',
    'public_key is no P-256 key with an uncompressed point, or signature is not made by it over this fleet and token',
  );
};

/** Whether the line may be written: each one at most once in an interval. */
type LogLimit = (line: string) => boolean;

const createLogLimit = (clock: Pick<Clock, 'monotonicMs'>): LogLimit => {
  const written = new Map<string, number>();
  return line => {
    const nowMs = clock.monotonicMs();
    for (const [each, timeMs] of written) if (nowMs - timeMs >= LOG_EVERY_MS) written.delete(each);
    if (written.has(line)) return false;
    written.set(line, nowMs);
    return true;
  };
};

/** As {@link publicKeySha256}, of bytes that may be no key. */
const sha256Of = ({ publicKeyDer }: JoinProof): string =>
  createHash('sha256').update(publicKeyDer).digest('hex');

/** JH2. @throws `INVITATION_INVALID` */
const requireTokenOf = ({ fleet, authoritySha256 }: CertificateIssuer, token: string): void => {
  const named = parseInvitationToken(token);
  if (named === undefined)
    throw new DepotError(
      'INVITATION_INVALID',
      'the token is damaged, as after a copy that is not whole, or it is no token of an invitation',
    );
  if (named.fleet !== fleet)
    throw new DepotError(
      'INVITATION_INVALID',
      `the token is of the fleet ${named.fleet}, and this is ${fleet}`,
    );
  if (named.authoritySha256 !== authoritySha256)
    throw new DepotError(
      'INVITATION_INVALID',
      `the token names another authority of ${fleet} than the one with which this Nexus issues certificates`,
    );
};
