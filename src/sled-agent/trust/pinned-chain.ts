/**
 * A chain of roots that a sled has pinned: every root from the first one on, each signed by the one before it.
 *
 *     texts of roots, oldest first ─▶ parseChain() ─▶ PinnedChain ─▶ extendChain() by the roots of another telling of it
 *
 * PC1. A root follows only the root that is one version older, and only with its signatures (TUF 5.3). A gap is no chain: a root in
 *      it may have revoked the keys of the one before.
 * PC2. Roots that are pinned stay as they are: another root of the same version is a fork, and is refused. Roots are compared by
 *      what they say (RDG1), so a telling in other white space or with more signatures is the same.
 * PC3. A root that signed the first pinned one is an older part of the same chain, and no chain of its own: its keys were rotated away.
 * PC4. A root is pinned under the signature policy that this sled has then. Later each release is judged under the policy of that time,
 *      from the self-signature of the newest root on: a signer that has left a scheme stays trusted without it.
 */
import { DepotError, messageChain } from '../../lib/errors.ts';
import { MAX_METADATA_BYTES, type Metadata } from '../../tuf/metadata.ts';
import { MAX_ROOTS } from '../../tuf/repository.ts';
import { rootDigest } from '../../tuf/root-digest.ts';
import type { SignaturePolicy } from '../../tuf/signature-policy.ts';
import { unacceptedOf } from '../../tuf/signatures.ts';
import { rootsAlone } from '../../tuf/trust-policy.ts';
import { createTrustedSet, parseSelfSignedRoot } from '../../tuf/trusted-set.ts';

export type PinnedRoot = {
  readonly version: number;
  /** Of what it says (RDG1). */
  readonly sha256: string;
  readonly text: string;
};

/** `word`: by the word of a Nexus alone. */
export const PINNED_BY = ['join', 'file', 'statement', 'word'] as const;
export type PinnedBy = (typeof PINNED_BY)[number];

export type PinnedChain = {
  /** The digest of its first root, by which the chain is known. */
  readonly id: string;
  readonly by: PinnedBy;
  /** The oldest first. */
  readonly roots: readonly [PinnedRoot, ...PinnedRoot[]];
};

export const newestRoot = ({ roots }: Pick<PinnedChain, 'roots'>): PinnedRoot => roots.at(-1) ?? roots[0];

/** @throws DepotError `METADATA_INVALID`, `UNTRUSTED_SIGNATURES`, `ROOT_CHAIN_BROKEN` (PC1) */
export const parseChain = (texts: readonly string[], signatures: SignaturePolicy): PinnedChain['roots'] => {
  const [first, ...others] = texts;
  if (first === undefined) throw broken('a chain of roots has no root');
  const root = firstOf(first, signatures);
  return [root, ...followers(root, others, 1, signatures)];
};

/**
 * The same chain with the newer roots of `told`, another telling of it, or undefined if they have no root in common.
 *
 * @throws DepotError `ROOT_CHAIN_BROKEN` for a fork (PC2), or as {@link parseChain}
 */
export const extendChain = (
  chain: PinnedChain,
  told: readonly PinnedRoot[],
  signatures: SignaturePolicy,
): PinnedChain | undefined => {
  const byVersion = new Map(chain.roots.map(root => [root.version, root]));
  const isShared = ({ version, sha256 }: PinnedRoot) => byVersion.get(version)?.sha256 === sha256;
  const newest = newestRoot(chain);
  if (!told.some(each => isShared(each) || isBefore(each, chain.roots[0], signatures)))
    return continued(chain, newest, told, signatures);
  const fork = told.find(({ version, sha256 }) => {
    const pinned = byVersion.get(version);
    return pinned !== undefined && pinned.sha256 !== sha256;
  });
  if (fork !== undefined)
    throw broken(
      `this sled has pinned another root of version ${fork.version} than the one with the SHA-256 ${fork.sha256}: the keys of the root before it signed two`,
    );
  const newer = told.filter(({ version }) => version > newest.version).map(({ text }) => text);
  if (newer.length === 0) return chain;
  return { ...chain, roots: [...chain.roots, ...followers(newest, newer, chain.roots.length, signatures)] };
};

/** PC3 */
const isBefore = (root: PinnedRoot, first: PinnedRoot, signatures: SignaturePolicy): boolean => {
  if (root.version + 1 !== first.version) return false;
  try {
    return followers(root, [first.text], 1, signatures).length === 1;
  } catch (error) {
    if (error instanceof DepotError) return false;
    throw error;
  }
};

/** By roots that begin after the newest one; undefined if it did not sign the first of them. */
const continued = (
  chain: PinnedChain,
  newest: PinnedRoot,
  told: readonly PinnedRoot[],
  signatures: SignaturePolicy,
): PinnedChain | undefined => {
  if (told[0]?.version !== newest.version + 1) return undefined;
  try {
    const texts = told.map(({ text }) => text);
    return { ...chain, roots: [...chain.roots, ...followers(newest, texts, chain.roots.length, signatures)] };
  } catch (error) {
    if (error instanceof DepotError) return undefined;
    throw error;
  }
};

const firstOf = (text: string, signatures: SignaturePolicy): PinnedRoot =>
  rootOf(text, parseSelfSignedRoot(bytesOf(text), signatures));

const followers = (
  first: PinnedRoot,
  texts: readonly string[],
  before: number,
  signatures: SignaturePolicy,
): readonly PinnedRoot[] => {
  if (before + texts.length > MAX_ROOTS)
    throw broken(`a chain has ${before + texts.length} roots; the limit is ${MAX_ROOTS}`);
  const set = createTrustedSet(bytesOf(first.text), rootsAlone(signatures));
  return texts.map(text => {
    const before = set.root().version;
    try {
      return rootOf(text, set.updateRoot(bytesOf(text)));
    } catch (cause) {
      if (!(cause instanceof DepotError)) throw cause;
      throw broken(
        `the root after version ${before} does not continue the chain: ${messageChain(cause)}`,
        cause,
      );
    }
  });
};

const bytesOf = (text: string): Uint8Array => {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > MAX_METADATA_BYTES.root)
    throw broken(`a root has ${bytes.length} bytes; the limit is ${MAX_METADATA_BYTES.root}`);
  return bytes;
};

const rootOf = (text: string, root: Metadata<'root'>): PinnedRoot => ({
  version: root.signed.version,
  text,
  sha256: rootDigest(root),
});

const broken = (problem: string, cause?: unknown): DepotError =>
  new DepotError('ROOT_CHAIN_BROKEN', problem, {
    cause,
    detail: cause instanceof DepotError ? unacceptedOf(cause) : {},
  });
