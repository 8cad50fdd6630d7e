/**
 * A machine joins the fleet with an invitation (`tuf-depot sled-agent join`, `tuf-depot nexus join`), as a sled or as a Nexus.
 *
 *     token ─▶ key file ─▶ find the authority ─▶ TLS to a Nexus below it ─▶ token and proof ─▶ certificate
 *                          (nothing is sent)     (its name is compared)                        ca file, certificate file
 *
 * JC1. Nothing leaves the machine before the certificate of the server leads to the authority that the token names, and names a
 *      Nexus of the fleet that the token names.
 * JC2. The key is made on this machine, outside of what is emptied, and stays there; the certificate is written last. So a join that
 *      is cut short at any step is repeated with the same command: Nexus answers the same key again.
 * JC3. Nothing that exists is overwritten but by a later certificate of the same process and the same key. An authority that the file has
 *      already stays in it; a file without the one that the invitation names is refused before anything is sent.
 * JC4. The machine trusts no authority that Nexus names, only the one that the invitation names. So a Nexus without the key of the
 *      authority cannot have it trust another one.
 * JC5. What the invitation names to be pinned is pinned before the certificate is written, and a join without it fails: a Nexus that
 *      leaves it out cannot have a machine that verifies nothing.
 * JC6. One join at a time: two would make two keys for one file, and one of them would get a certificate for the other's (P12).
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  type X509Certificate,
} from 'node:crypto';
import { basename, dirname, relative } from 'node:path';
import { joinApi } from '../api/join-api.ts';
import { NexusId, SledId } from '../core/ids.ts';
import { createApiClient } from '../http/client.ts';
import { parseAddress } from '../http/listen.ts';
import { secureDispatcher } from '../http/peers.ts';
import { identityOf } from '../identity/certificate.ts';
import { type IdentityFiles, parseCertificates, readCredentials } from '../identity/credentials.ts';
import {
  type InvitedPins,
  type InvitedTo,
  keyInvitationSha256,
  parseInvitationToken,
  publicKeySha256,
} from '../identity/invitation-token.ts';
import { generateKey } from '../identity/issue.ts';
import { proveKey } from '../identity/join-proof.ts';
import { type PeerIdentity, type PeerKind, spiffeId } from '../identity/peer-identity.ts';
import { presentedAuthority } from '../identity/presented-authority.ts';
import type { Clock } from '../lib/clock.ts';
import { readFileWhole, removeTemporaryFiles, writeFileDurably } from '../lib/durable-file.ts';
import { endpoint, endpointUrl, formatAddress, type SocketAddress } from '../lib/endpoint.ts';
import type { ErrorCode } from '../lib/error-codes.ts';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { acquireExclusiveLock } from '../lib/exclusive-lock.ts';
import { tokenDigest } from '../lib/operator-token.ts';
import { makeDirectories, realDisk } from '../lib/real-disk.ts';

/** A key or certificate in PEM has less than 1 KiB. */
const MAX_FILE_BYTES = 256 * 1024;

export type Joined = {
  readonly identity: PeerIdentity;
  /** That answered. */
  readonly nexus: string;
  readonly notAfterMs: number;
  readonly files: IdentityFiles;
};

/** What a configuration says of a process that joins. */
export type Machine = {
  readonly kind: PeerKind;
  readonly files: IdentityFiles;
  /** Of Nexuses, tried in turn. */
  readonly nexuses: readonly SocketAddress[];
  /** Directories that are emptied, or replaced with their disks. */
  readonly data: readonly string[];
  /** The id that its data has already, without a certificate. */
  readonly presentId?: string | undefined;
  /** Of the configuration of a sled. */
  readonly serial?: string;
  /** Makes what the invitation names durable, before there is a certificate (JC5). @throws `PEER_BAD_ANSWER` */
  readonly pin?: (named: InvitedPins, offered: OfferedPins) => Promise<void>;
};

/** What a Nexus answers for the pins that an invitation names. */
export type OfferedPins = {
  /** PEM. */
  readonly adminKeys: readonly string[];
  /** Texts of roots, the oldest first. */
  readonly rootChains: readonly (readonly string[])[];
};

/** With its token; or without one, for a machine that waits until an admin approves its key. */
type Invitation = InvitedTo & { readonly token?: string };

export type JoinOptions = {
  /** A token, or what one would name. */
  readonly by: string | InvitedTo;
  /** `HOST:PORT`, instead of those in the configuration. */
  readonly nexus?: string | undefined;
  /** Called once, when Nexus has answered that the key is not approved yet. */
  readonly onWaiting?: (keySha256: string) => void;
  /** Called while it waits for the approval, at the first of several requests in a row that no Nexus answers. */
  readonly onUnanswered?: (error: unknown) => void;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly signal: AbortSignal;
};

/** A person approves it meanwhile. */
const APPROVAL_PAUSE_MS = 3_000;

/** Several machines behind one address join at once, and a Nexus serves few of them at a time (JH3). */
const BUSY_PAUSE_MS = 2_000;
const MAX_BUSY_ANSWERS = 30;

/** @throws `CONFIG_INVALID`, `INVITATION_INVALID`, `PEER_IDENTITY`, and what Nexus answers */
export const joinFleet = async (
  { kind, files, nexuses, data, presentId, serial, pin }: Machine,
  options: JoinOptions,
): Promise<Joined> => {
  const { by, nexus } = options;
  const invitation: Invitation = typeof by === 'string' ? requireInvitation(by) : by;
  requireOutside(files, data);
  await makeOwnDirectories(files);
  await using _lock = await acquireExclusiveLock(dirname(files.certificateFile)); // JC6
  const present = (await presentIdentity(files, invitation, kind)) ?? presentId;
  const otherAuthorities = await presentAuthorities(files, invitation);
  await removeUnfinished(files);
  const key = await keyIn(files.keyFile);
  const body = requestOf(invitation, key);
  const addresses = nexus === undefined ? nexuses : [parseAddress(nexus, '--nexus')];
  const ask = { kind, addresses, invitation, body, present, serial };
  const { answer, address } = await askUntilApproved(ask, options);
  const authorities = requireAnswer(answer, { ...ask, key });
  if (invitation.pins !== undefined) await pin?.(invitation.pins, answer);
  await writeFileDurably(files.authoritiesFile, [...authorities, ...otherAuthorities].join(''));
  await writeFileDurably(files.certificateFile, answer.certificate_pem);
  const written = await readCredentials(files, kind);
  return {
    identity: written.identity,
    nexus: formatAddress(address),
    notAfterMs: written.notAfterMs,
    files,
  };
};

const requireInvitation = (token: string): Invitation => {
  const invitedTo = parseInvitationToken(token);
  if (invitedTo !== undefined) return { ...invitedTo, token };
  throw new DepotError(
    'INVITATION_INVALID',
    'this is no whole token of an invitation: it begins with tufjoin_, and has no spaces and no line breaks; nothing was sent',
  );
};

/** A key there would be lost with the disk. */
const requireOutside = (files: IdentityFiles, data: readonly string[]): void => {
  for (const file of Object.values(files)) {
    const inside = data.find(directory => !relative(directory, file).startsWith('..'));
    if (inside !== undefined)
      throw new DepotError(
        'CONFIG_INVALID',
        `identity: ${file} is inside of the directory ${inside}, which may be emptied; keep it elsewhere`,
      );
  }
};

/**
 * The id in the certificate that is there; undefined without one.
 *
 * @throws `CONFIG_INVALID` for one that a join must not replace (JC3)
 */
const presentIdentity = async (
  { certificateFile, keyFile }: IdentityFiles,
  { fleet }: InvitedTo,
  kind: PeerKind,
): Promise<string | undefined> => {
  const pem = await readText(certificateFile);
  if (pem === undefined) return undefined;
  const [certificate] = parseCertificates(pem, certificateFile);
  const identity = identityOf(certificate);
  const keyPem = await readText(keyFile);
  const isItsKey = keyPem !== undefined && certificate.checkPrivateKey(parseKey(keyPem, keyFile));
  if (identity?.kind === kind && identity.fleet === fleet && isItsKey) return identity.id;
  const names = identity === undefined ? 'no process of a fleet' : spiffeId(identity);
  throw new DepotError(
    'CONFIG_INVALID',
    `${certificateFile} exists and names ${names}${isItsKey ? '' : `, and ${keyFile} has not its key`}: move both away, and join again as a ${processText(kind)} of ${fleet}`,
  );
};

/**
 * The authorities in the file that is there, but for the one that the invitation names; none without a file.
 *
 * @throws `CONFIG_INVALID` for a file that has not that one (JC3)
 */
const presentAuthorities = async (
  { authoritiesFile }: IdentityFiles,
  { authoritySha256 }: InvitedTo,
): Promise<readonly X509Certificate[]> => {
  const pem = await readText(authoritiesFile);
  if (pem === undefined) return [];
  const present = parseCertificates(pem, authoritiesFile);
  const others = present.filter(each => publicKeySha256(each.publicKey) !== authoritySha256);
  if (others.length < present.length) return others;
  throw new DepotError(
    'CONFIG_INVALID',
    `${authoritiesFile} exists and has not the authority that the invitation names (key with the SHA-256 ${authoritySha256}): move it away, or name another ca_file, and join again; nothing was sent`,
  );
};

/** A key that a killed join has half written is not left for others to find. */
const makeOwnDirectories = async (files: IdentityFiles): Promise<void> => {
  for (const file of Object.values(files)) await makeDirectories(dirname(file), { mode: 0o700 });
};

const removeUnfinished = async (files: IdentityFiles): Promise<void> => {
  for (const file of Object.values(files)) await removeTemporaryFiles(dirname(file), { of: basename(file) });
};

/** Durable before it is used (JC2). */
const keyIn = async (file: string): Promise<KeyObject> => {
  const pem = await readText(file);
  if (pem !== undefined) return parseKey(pem, file);
  const { privateKey } = generateKey();
  await writeFileDurably(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return privateKey;
};

const parseKey = (pem: string, file: string): KeyObject => {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new DepotError('CONFIG_INVALID', `${file} has no private key in PEM that can be read`, { cause });
  }
};

const requestOf = ({ fleet, token }: Invitation, privateKey: KeyObject) => {
  const publicKey = createPublicKey(privateKey);
  const tokenSha256 =
    token === undefined ? keyInvitationSha256(publicKeySha256(publicKey)) : tokenDigest(token);
  const { publicKeyDer, signature } = proveKey({ privateKey, publicKey }, { fleet, tokenSha256 });
  return {
    ...(token !== undefined && { token }),
    public_key: Buffer.from(publicKeyDer).toString('base64'),
    signature: Buffer.from(signature).toString('base64'),
  };
};

type Ask = {
  readonly kind: PeerKind;
  readonly addresses: readonly SocketAddress[];
  readonly invitation: Invitation;
  readonly body: ReturnType<typeof requestOf>;
  /** The id that the machine has already. */
  readonly present: string | undefined;
  readonly serial: string | undefined;
};

/** After these another Nexus may answer: this one does not, is no Nexus of this fleet, or has no authority or no database. */
const ASK_ANOTHER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PEER_UNREACHABLE',
  'PEER_STALLED',
  'PEER_BAD_ANSWER',
  'PEER_IDENTITY',
  'NO_AUTHORITY_KEY',
  'DATABASE_UNAVAILABLE',
  'SHUTTING_DOWN',
  'TOO_MANY_REQUESTS',
  'NOT_FOUND',
]);

const isForAnother = (error: unknown): boolean => ASK_ANOTHER.has(errorCodeOf(error));

/** Without a token: again and again, until a person has approved the key. Once a Nexus has answered, also while none does. */
const askUntilApproved = async (
  ask: Ask,
  { onWaiting, onUnanswered, clock, signal }: JoinOptions,
): ReturnType<typeof askAny> => {
  let state: 'asking' | 'waiting' | 'unanswered' = 'asking';
  for (;;) {
    try {
      return await askUntilNotBusy(ask, { clock, signal });
    } catch (error) {
      const isNotApproved = errorCodeOf(error) === 'JOIN_NOT_APPROVED';
      if (!isNotApproved && (state === 'asking' || !isForAnother(error))) throw error;
      const der = Buffer.from(ask.body.public_key, 'base64');
      if (state === 'asking') onWaiting?.(createHash('sha256').update(der).digest('hex'));
      if (!isNotApproved && state === 'waiting') onUnanswered?.(error);
      state = isNotApproved ? 'waiting' : 'unanswered';
      await clock.sleep(APPROVAL_PAUSE_MS, { signal });
    }
  }
};

const askUntilNotBusy = async (
  ask: Ask,
  { clock, signal }: Pick<JoinOptions, 'clock' | 'signal'>,
): ReturnType<typeof askAny> => {
  for (let busy = 1; ; busy += 1) {
    try {
      return await askAny(ask, { signal });
    } catch (error) {
      if (errorCodeOf(error) !== 'TOO_MANY_REQUESTS' || busy === MAX_BUSY_ANSWERS) throw error;
      await clock.sleep(BUSY_PAUSE_MS, { signal });
    }
  }
};

/** The first Nexus that answers; one that refuses the invitation speaks for all. */
const askAny = async (
  ask: Ask,
  options: { readonly signal: AbortSignal },
): Promise<{ readonly answer: Answer; readonly address: SocketAddress }> => {
  let failure: unknown;
  for (const address of ask.addresses) {
    try {
      return { answer: await askOne(address, ask, options), address };
    } catch (error) {
      if (!isForAnother(error)) throw error;
      // That nobody answers at one address says less than what another one answered.
      if (failure === undefined || errorCodeOf(failure) === 'PEER_UNREACHABLE') failure = error;
    }
  }
  throw failure;
};

/** As Nexus answers, whatever the process joins as. */
type Answer = OfferedPins & {
  readonly id: string;
  readonly certificate_pem: string;
  readonly ca_pem: string;
};

/** JC1. */
const askOne = async (
  address: SocketAddress,
  { kind, invitation: { fleet, authoritySha256 }, body, present, serial }: Ask,
  options: { readonly signal: AbortSignal },
): Promise<Answer> => {
  const authoritiesPem = await presentedAuthority(address, authoritySha256, options);
  const dispatcher = secureDispatcher(() => ({ authoritiesPem }), { fleet, kind: 'nexus' });
  try {
    const baseUrl = endpointUrl(endpoint('https', address, { kind: 'nexus' }));
    const client = createApiClient(joinApi, { baseUrl, dispatcher });
    if (kind === 'nexus') {
      const named = present !== undefined && { present_nexus_id: NexusId.parse(present) };
      const asNexus = { ...body, token: body.token ?? '', ...named };
      const { nexus_id: id, ...answer } = await client.nexusJoin({ body: asNexus }, options);
      return { ...answer, id, adminKeys: [], rootChains: [] };
    }
    const named = present !== undefined && { present_sled_id: SledId.parse(present) };
    const {
      sled_id: id,
      admin_keys: adminKeys = [],
      root_chains: rootChains = [],
      ...answer
    } = await client.sledJoin({ body: { ...body, ...named, serial } }, options);
    return { ...answer, id, adminKeys, rootChains };
  } finally {
    await dispatcher.close();
  }
};

/**
 * What is written is a certificate of this fleet, for this key, as the process that this machine is already, if it is one.
 *
 * @returns the certificates of the authority that the invitation names: one of them issued it (JC4)
 */
const requireAnswer = (
  { id, certificate_pem, ca_pem }: Answer,
  {
    kind,
    invitation: { fleet, authoritySha256 },
    key,
    present,
  }: Pick<Ask, 'kind' | 'invitation' | 'present'> & { readonly key: KeyObject },
): readonly X509Certificate[] => {
  const [certificate] = parseCertificates(certificate_pem, 'the certificate in the answer');
  const authorities = parseCertificates(ca_pem, 'the authorities in the answer').filter(
    each => publicKeySha256(each.publicKey) === authoritySha256,
  );
  const refuse = (why: string): never => {
    throw new DepotError('PEER_BAD_ANSWER', `the certificate in the answer ${why}; nothing was written`);
  };
  const identity = identityOf(certificate);
  if (identity === undefined || spiffeId(identity) !== spiffeId({ fleet, kind, id }))
    refuse(`does not name the ${processText(kind)} ${id} of ${fleet}`);
  if (present !== undefined && present !== id)
    refuse(`names another ${processText(kind)} than the present one, ${present}`);
  if (!certificate.checkPrivateKey(key)) refuse('is for another key');
  if (!authorities.some(by => certificate.checkIssued(by) && certificate.verify(by.publicKey)))
    refuse('was not issued by the authority that the invitation names');
  return authorities;
};

const processText = (kind: PeerKind): string => ({ nexus: 'Nexus', sled: 'sled' })[kind];

const readText = (file: string): Promise<string | undefined> =>
  readFileWhole(file, { disk: realDisk, maxBytes: MAX_FILE_BYTES });
