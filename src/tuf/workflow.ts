/**
 * Verifies a repository: reads its metadata in the order of the client workflow (TUF 1.0.34, section 5), from
 * wherever it is kept, and hands it to a trusted set.
 *
 *     for each trust root: root.json* ─▶ timestamp ─▶ snapshot ─▶ targets ─▶ VerifiedRepository
 *
 * W1. Trust roots are tried in turn. Only "this root does not vouch for it" (a signature, or a gap between the
 *     root and the archive's) moves on to the next one; anything else is the repository's fault and ends it.
 * W2. The chain of roots is complete or refused: a repository whose roots go on beyond a gap is not verified
 *     against an old root as if the newer ones did not exist.
 * W3. Everything read is bounded: bytes a file, and roots a chain.
 */
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { type FileMeta, MAX_METADATA_BYTES, type TopLevelRole } from './metadata.ts';
import {
  createTrustedSet,
  type TrustedMetadata,
  type TrustedSet,
  type TrustedVersions,
  type TrustPolicy,
} from './trusted-set.ts';

/** Where metadata files come from: an archive, a directory, a server. */
export type MetadataSource = {
  /** The whole file, or undefined if there is none of that name. Rejects rather than return more than `maxBytes`. */
  readonly read: (fileName: string, maxBytes: number) => Promise<Uint8Array | undefined>;
  /** All file names, from a source that can tell; lets a gap in the root chain be seen (W2). */
  readonly list?: () => readonly string[];
};

export type TrustRoot<Id extends string = string> = { readonly id: Id; readonly bytes: Uint8Array };

export type VerifyOptions<Id extends string = string> = {
  readonly trustRoots: readonly TrustRoot<Id>[];
  /** The time of this verification, in milliseconds since the epoch. */
  readonly nowMs: number;
  readonly allowExpired?: boolean;
  /** The versions remembered for a trust root; undefined for one that never led anywhere. */
  readonly rollback?: (id: Id) => TrustedVersions | undefined;
  readonly allowRollback?: boolean;
};

/** The root chain ends after this many (the specification suggests 2^10). */
export const MAX_ROOTS = 1024;

export type VerifiedRepository<Id extends string = string> = TrustedMetadata & { readonly trustRootId: Id };

/**
 * @throws DepotError `NO_TRUST_ROOT`; `UNTRUSTED_SIGNATURES` or `ROOT_CHAIN_BROKEN` if no trust root vouches for
 *   the repository; `METADATA_MISSING`, `METADATA_INVALID`, `METADATA_MISMATCH`, `METADATA_EXPIRED`,
 *   `METADATA_ROLLBACK`
 */
export const verifyRepository = async <Id extends string>(
  source: MetadataSource,
  options: VerifyOptions<Id>,
): Promise<VerifiedRepository<Id>> => {
  const { trustRoots, nowMs, allowExpired = false, rollback, allowRollback = false } = options;
  const refusals: Refusal[] = [];
  for (const { id, bytes } of trustRoots) {
    const policy = { nowMs, allowExpired, allowRollback, trustedVersions: rollback?.(id) };
    try {
      const set = startFrom(id, bytes, policy);
      return { ...(await updateFrom(source, set)), trustRootId: id };
    } catch (error) {
      if (!isRefusalByRoot(error)) throw error;
      refusals.push({ id, error });
    }
  }
  throw nobodyVouches(refusals);
};

const startFrom = (id: string, trustRoot: Uint8Array, policy: TrustPolicy): TrustedSet => {
  try {
    return createTrustedSet(trustRoot, policy);
  } catch (cause) {
    if (isRefusalByRoot(cause)) throw cause;
    throw new DepotError(errorCodeOf(cause), `the trust root ${id} cannot be used; delete it`, { cause });
  }
};

const updateFrom = async (source: MetadataSource, set: TrustedSet): Promise<TrustedMetadata> => {
  await walkRoots(set, source);
  const { consistentSnapshot } = set.root();
  const listed = (role: TopLevelRole, { version, lengthBytes }: FileMeta): Promise<Uint8Array> =>
    readRequired(
      source,
      consistentSnapshot ? `${version}.${role}.json` : `${role}.json`,
      lengthBytes ?? MAX_METADATA_BYTES[role],
    );
  const snapshot = set.updateTimestamp(
    await readRequired(source, 'timestamp.json', MAX_METADATA_BYTES.timestamp),
  );
  const targets = set.updateSnapshot(await listed('snapshot', snapshot));
  return set.updateTargets(await listed('targets', targets));
};

const walkRoots = async (set: TrustedSet, source: MetadataSource): Promise<void> => {
  const first = set.root().version;
  const newest = rootVersions(source).at(-1) ?? 0;
  for (;;) {
    const version = set.root().version + 1;
    const bytes = await source.read(`${version}.root.json`, MAX_METADATA_BYTES.root);
    if (bytes === undefined) break;
    if (version - first > MAX_ROOTS) {
      throw new DepotError('METADATA_INVALID', `the chain of roots goes on after ${MAX_ROOTS}, the limit`);
    }
    set.updateRoot(bytes);
  }
  const reached = set.root().version;
  if (newest > reached) {
    throw new DepotError(
      'ROOT_CHAIN_BROKEN',
      `the chain of roots is broken between ${reached} and ${newest}: ${reached + 1}.root.json is missing; ` +
        'include every root in the repository, or add the newest one as a trust root',
      { detail: { trusted: reached, newest } },
    );
  }
};

const ROOT_FILE_NAME = /^([1-9]\d{0,15})\.root\.json$/;

/** The versions of all root files that the source lists; none if it cannot list. */
export const rootVersions = (source: MetadataSource): readonly number[] =>
  (source.list?.() ?? [])
    .map(name => Number(ROOT_FILE_NAME.exec(name)?.[1]))
    .filter(version => Number.isSafeInteger(version))
    .sort((a, b) => a - b);

const readRequired = async (
  source: MetadataSource,
  fileName: string,
  maxBytes: number,
): Promise<Uint8Array> => {
  const bytes = await source.read(fileName, maxBytes);
  if (bytes === undefined) {
    throw new DepotError('METADATA_MISSING', `the repository has no metadata file ${fileName}`, {
      detail: { file: fileName },
    });
  }
  return bytes;
};

/** Each is a sentence of the message. */
const MAX_REFUSALS_SHOWN = 8;

type Refusal = { readonly id: string; readonly error: DepotError };

const isRefusalByRoot = (error: unknown): error is DepotError =>
  error instanceof DepotError &&
  (error.code === 'UNTRUSTED_SIGNATURES' || error.code === 'ROOT_CHAIN_BROKEN');

const nobodyVouches = (refusals: readonly Refusal[]): DepotError => {
  if (refusals.length === 0) {
    return new DepotError(
      'NO_TRUST_ROOT',
      'there is no trust root to verify the repository against; add the root.json of whoever signs your releases',
    );
  }
  const onlyGaps = refusals.every(({ error }) => error.code === 'ROOT_CHAIN_BROKEN');
  const shown = refusals.slice(0, MAX_REFUSALS_SHOWN).map(({ id, error }) => `; by ${id}: ${error.message}`);
  return new DepotError(
    onlyGaps ? 'ROOT_CHAIN_BROKEN' : 'UNTRUSTED_SIGNATURES',
    `no trust root vouches for the repository (tried ${refusals.length})${shown.join('')}`,
    { detail: { trust_roots: refusals.map(({ id }) => id).join(',') } },
  );
};
