/**
 * Pins what the invitation of a sled names, from what the Nexus answers.
 *
 *     digests in the token ─▶ compared with keys and roots in the answer ─▶ trust.json ─▶ (the certificate is written)
 *
 * PAJ1. A chain is pinned if it has the root that the token names. The roots before that one prove nothing here; if their signatures lead to
 *       it, they are pinned with it, so that they are known as replaced, and are no chain of their own when a Nexus tells them later.
 * PAJ2. What the token names and the answer lacks ends the join: the sled would verify less than the person meant who invited it.
 * PAJ3. Roots that the signature policy of this sled refuses end the join too, with the setting: a fault of no Nexus.
 */
import { type PinnedKey, parseAdminPublicKey } from '../../identity/admin-key.ts';
import type { IdentityFiles } from '../../identity/credentials.ts';
import type { InvitedPins } from '../../identity/invitation-token.ts';
import type { OfferedPins } from '../../join/join-fleet.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import type { SignaturePolicy } from '../../tuf/signature-policy.ts';
import { isOnlyUnaccepted } from '../../tuf/signatures.ts';
import { newestRoot, parseChain } from './pinned-chain.ts';
import { createTrust, NO_STATED_TRUST } from './trust.ts';
import { readPins, trustFileBeside, writePins } from './trust-file.ts';

export type JoinedPins = {
  readonly adminKeySha256: string | undefined;
  readonly roots: readonly { readonly sha256: string; readonly version: number }[];
};

/** @throws `PEER_BAD_ANSWER` (PAJ2), `CONFIG_INVALID` for a damaged trust.json */
export const pinAtJoin = async (
  { certificateFile }: Pick<IdentityFiles, 'certificateFile'>,
  { adminKeySha256, rootsSha256 }: InvitedPins,
  offered: OfferedPins,
  signatures: SignaturePolicy,
): Promise<JoinedPins> => {
  const file = trustFileBeside(certificateFile);
  const keys = adminKeySha256 === undefined ? [] : [keyNamed(adminKeySha256, offered)];
  const chains = rootsSha256.map(sha256 => chainWith(sha256, offered, signatures));
  const trust = createTrust({
    known: await readPins(file),
    save: pins => writePins(file, pins),
    statements: NO_STATED_TRUST,
    ...{ requireSigned: undefined, signatures },
    log: silentLogger,
  });
  await trust.addChains(chains, 'join').catch((cause: unknown) => {
    if (cause instanceof DepotError && ['NO_SPACE', 'IO'].includes(cause.code)) throw cause;
    if (cause instanceof DepotError && isOnlyUnaccepted(cause)) throw unaccepted(cause);
    throw badAnswer('has a chain of roots that is broken', cause);
  });
  await trust.addAdminKeys(keys);
  const roots = trust.chains().map(chain => newestRoot(chain));
  return { adminKeySha256, roots: roots.map(({ sha256, version }) => ({ sha256, version })) };
};

const keyNamed = (sha256: string, { adminKeys }: OfferedPins): PinnedKey => {
  const key = adminKeys
    .map(pem => parseAdminPublicKey(pem, 'the answer'))
    .find(({ digest }) => digest === sha256);
  if (key !== undefined) return key;
  throw badAnswer(
    `has not the key of the administrator that the invitation names, with the SHA-256 ${sha256}`,
  );
};

/** PAJ1 */
const chainWith = (
  sha256: string,
  { rootChains }: OfferedPins,
  signatures: SignaturePolicy,
): readonly string[] => {
  for (const chain of rootChains) {
    const at = chain.findIndex(text => isNamed(text, sha256));
    if (at >= 0) return isChain(chain.slice(0, at + 1), signatures) ? chain : chain.slice(at);
  }
  throw badAnswer(`has not the trust root that the invitation names, with the SHA-256 ${sha256}`);
};

/** False for a text that is no root: a chain that begins after it may be whole. */
const isNamed = (text: string, sha256: string): boolean => {
  try {
    return rootDigestOf(Buffer.from(text, 'utf8')) === sha256;
  } catch (error) {
    if (error instanceof DepotError) return false;
    throw error;
  }
};

const isChain = (texts: readonly string[], signatures: SignaturePolicy): boolean => {
  try {
    return parseChain(texts, signatures).length > 0;
  } catch (error) {
    if (error instanceof DepotError) return false;
    throw error;
  }
};

/** PAJ3 */
const unaccepted = (cause: DepotError): DepotError =>
  new DepotError(
    'UNTRUSTED_SIGNATURES',
    'the trust root that the invitation names is signed by RSA keys of the scheme PKCS#1 v1.5, which the configuration of this sled does not accept',
    {
      cause,
      detail: {
        remedy:
          'If the fleet accepts that scheme (SECURITY.md): accept_rsa_pkcs1v15 = true in [trust] of the configuration of this sled, then join again.',
      },
    },
  );

const badAnswer = (problem: string, cause?: unknown): DepotError =>
  new DepotError(
    'PEER_BAD_ANSWER',
    `the answer of the Nexus ${problem}; no certificate was written. If the root or the key was replaced since, make another invitation`,
    { cause },
  );
