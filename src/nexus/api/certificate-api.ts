/**
 * Handlers of the certificate API: a sled of this fleet gets its certificate anew, and so does a Nexus without the authority's key.
 *
 * RX1. Name and key are those of the presented certificate; nothing in the request chooses them.
 * RX2. An expunged sled gets none, and neither does a key that joined as another sled, or beside one that joined as this (JD2).
 *      A revocation while the database is asked covers what is issued (ISU1). While the database is away, the
 *      sleds that the last round knew in service do.
 * RX3. Then the life of a certificate counts from that round: so none outlives the expunge of its sled by more than its life, after
 *      which `sled forget` takes the row away (RI2).
 * RX4. A certificate that has expired is renewed by its key for a year, so that a sled that was switched off comes back by itself:
 *      only if the database knows its sled in service, since the row of an expunged one may be forgotten by then.
 * RX5. A Nexus gets none that is expunged, or whose certificate the database says is revoked: so the key that joined last as it
 *      counts alone (NJ1). A revocation that a statement undoes does not count here either (RVK6). It needs the database in any
 *      case, and is not renewed while that is away.
 * RX6. Its life counts by the clock of the database: the one of this Nexus may be a year off, and then every certificate that it
 *      issues would be over, or begin too late.
 */
import type { certificateApi } from '../../api/certificate-api.ts';
import { NexusId, SledId } from '../../core/ids.ts';
import type { Handlers } from '../../http/handlers.ts';
import { publicKeySha256 } from '../../identity/invitation-token.ts';
import type { CertificateIssuer } from '../../identity/issuer.ts';
import type { Peer } from '../../identity/judged-peer.ts';
import { type PeerIdentity, spiffeId } from '../../identity/peer-identity.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError, isOfDatabase } from '../../lib/errors.ts';
import type { InvitationPort, SledKeyFacts } from '../datastore/ports/invitation-port.ts';
import type { NexusInvitationPort } from '../datastore/ports/nexus-invitation-port.ts';

const GRACE_MS = 365 * 86_400_000;

type Deps = {
  readonly datastore: Pick<InvitationPort & NexusInvitationPort, 'sledKeyGet' | 'nexusStanding'>;
  /** As this process knows it. */
  readonly revokedMs: (identity: PeerIdentity) => number | undefined;
  /** By a statement that this process knows (RVK6). */
  readonly isUndone: (identity: PeerIdentity, revokedMs: number) => boolean;
  /** Undefined for a Nexus without the authority's key. */
  readonly issuer: CertificateIssuer | undefined;
  /** Of the last round; undefined before the first. */
  readonly sledsInService: () => { readonly ids: ReadonlySet<string>; readonly timeMs: number } | undefined;
};

type Presented = Extract<Peer, { kind: 'identified' | 'expired' }>;

export const createCertificateApi = (deps: Deps): Handlers<typeof certificateApi> => ({
  async certificateRenew({ caller: { peer }, signal, log }) {
    const { issuer } = deps;
    if (issuer === undefined)
      throw new DepotError(
        'NOT_FOUND',
        'this Nexus issues no certificates: its configuration has no identity.authority_directory',
      );
    if (peer.kind !== 'identified' && peer.kind !== 'expired')
      throw new DepotError('UNAUTHORIZED', 'a certificate is renewed over a connection that presents it');
    const revokedMs = deps.revokedMs(peer.identity);
    const fromMs =
      peer.identity.kind === 'nexus'
        ? await requireNexusInService(deps, peer, { signal })
        : await requireInService(deps, peer, { signal });
    const renewed = issuer.issue(peer.identity, peer.publicKey, { revokedMs, fromMs });
    log.info(
      { spiffe_id: spiffeId(peer.identity), not_after: isoTime(renewed.notAfterMs) },
      'certificate renewed',
    );
    return { certificate_pem: renewed.certificatePem, not_after: isoTime(renewed.notAfterMs) };
  },
});

/**
 * A sled that the database does not know has a valid certificate, and may be one that a restore lost.
 *
 * @returns the time of the database, or when the sled was last known in service
 */
const requireInService = async (
  { datastore, sledsInService }: Deps,
  peer: Presented,
  options: { readonly signal: AbortSignal },
): Promise<number> => {
  const { kind, identity, publicKey } = peer;
  const id = SledId.parse(identity.id);
  try {
    const sha256 = publicKeySha256(publicKey);
    const facts = await datastore.sledKeyGet(id, sha256, options);
    requireGrace(peer, facts.nowMs);
    if (facts.policy === 'expunged')
      throw new DepotError('SLED_DECOMMISSIONED', `sled ${id} is expunged: its certificate is not renewed`);
    requireOwnKey(id, sha256, facts);
    if (kind === 'expired' && facts.policy === undefined)
      throw joinsAgain(identity, 'has expired, and the database does not know the sled');
    return facts.nowMs;
  } catch (error) {
    const known = sledsInService();
    if (kind === 'expired' || !isOfDatabase(error) || known?.ids.has(id) !== true) throw error;
    return known.timeMs;
  }
};

/** RX5. @throws `NEXUS_EXPUNGED`, `FORBIDDEN`, `UNAUTHORIZED` */
const requireNexusInService = async (
  { datastore, isUndone }: Deps,
  peer: Presented,
  options: { readonly signal: AbortSignal },
): Promise<number> => {
  const { kind, identity, notBeforeMs } = peer;
  const id = NexusId.parse(identity.id);
  const { policy, revokedMs, nowMs } = await datastore.nexusStanding(id, options);
  requireGrace(peer, nowMs);
  if (policy === 'expunged')
    throw new DepotError('NEXUS_EXPUNGED', `Nexus ${id} is expunged: its certificate is not renewed`);
  if (revokedMs !== null && notBeforeMs <= revokedMs && !isUndone(identity, revokedMs))
    throw new DepotError(
      'FORBIDDEN',
      `certificates of Nexus ${id} from before ${isoTime(revokedMs)} are revoked: this one is not renewed`,
    );
  if (kind === 'expired' && policy === undefined)
    throw joinsAgain(identity, 'has expired, and the database does not know the Nexus');
  return nowMs;
};

/** RX2. @throws `FORBIDDEN` */
const requireOwnKey = (id: SledId, sha256: string, { key, current }: SledKeyFacts): void => {
  if (key !== undefined && key.sledId !== id)
    throw new DepotError(
      'FORBIDDEN',
      `the key of this certificate of sled ${id} joined as sled ${key.sledId}: the certificate is not renewed`,
    );
  if (current !== undefined && current.publicKeySha256 !== sha256)
    throw new DepotError(
      'FORBIDDEN',
      `another key joined as sled ${id} at ${isoTime(current.timeJoinedMs)}: the certificate of this one is not renewed`,
    );
};

/** RX4. @param nowMs by the database's clock @throws `UNAUTHORIZED` */
const requireGrace = (peer: Presented, nowMs: number): void => {
  if (peer.kind !== 'expired' || nowMs <= peer.notAfterMs + GRACE_MS) return;
  const { identity, notAfterMs } = peer;
  throw joinsAgain(identity, `has expired at ${isoTime(notAfterMs)}, more than a year ago`);
};

const joinsAgain = ({ kind, id }: PeerIdentity, why: string): DepotError => {
  const [who, invite] = {
    sled: ['sled', `tuf-depot sled invite --sled ${id}`],
    nexus: ['Nexus', `tuf-depot nexus invite --id ${id}`],
  }[kind] as [string, string];
  return new DepotError(
    'UNAUTHORIZED',
    `the certificate of ${who} ${id} ${why}: it is not renewed; ${invite} lets the machine join again`,
  );
};
