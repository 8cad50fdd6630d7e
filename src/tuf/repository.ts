/**
 * A repository, read in the order of the client workflow (TUF 1.0.34, section 5) from any source, and, for a client that
 * returns, a store of the trusted metadata.
 *
 *     source ─▶ root.json* ─▶ timestamp ─▶ snapshot ─▶ targets ─▶ delegated roles, as they are needed
 *                  └─────────────┴─────────────┴───────────┴──▶ store, each as soon as it is trusted
 *
 * RO1. The chain of roots is complete or refused: a repository with roots beyond a gap is not verified against an old root
 *      as if the newer ones did not exist.
 * RO2. Everything read is bounded: bytes a file, and roots a chain. The work on it has the budget of the set (WB1).
 * RO3. The store holds only trusted files, byte for byte, and can be continued from at every moment: before a root that removes
 *      online keys is stored, the files that those keys signed are removed (5.3.8, 5.3.11).
 * RO4. A stored file that the role above lists is not read again from the source.
 */
import { DepotError } from '../lib/errors.ts';
import { type AllTargets, resolveAllTargets } from './all-targets.ts';
import { type FileMeta, MAX_METADATA_BYTES, type Metadata } from './metadata.ts';
import { metadataFileName } from './role-names.ts';
import { dropsOnlineKeys } from './rollback.ts';
import { type FoundTarget, searchTarget } from './search.ts';
import type { ReachedRole, TrustedMetadata, TrustedSet } from './trusted-set.ts';

/** Where metadata files come from: an archive, a directory, a server. */
export type MetadataSource = {
  /**
   * The whole file, or undefined if there is none of that name. Rejects rather than return more than `maxBytes`.
   * A name is a URL segment: names of delegated roles are percent-encoded in it.
   */
  readonly read: (fileName: string, maxBytes: number) => Promise<Uint8Array | undefined>;
  /** The place of a file, for errors about its content. */
  readonly addressOf?: (fileName: string) => string;
  /** All file names, from a source that can tell; lets a gap in the root chain be seen (RO1). */
  readonly list?: () => readonly string[];
};

/** The newest trusted file of each role, by role name. A write is durable when it resolves. */
export type MetadataStore = {
  readonly read: (role: string) => Promise<Uint8Array | undefined>;
  readonly write: (role: string, bytes: Uint8Array) => Promise<void>;
  readonly remove: (role: string) => Promise<void>;
};

export type Repository = {
  /** Reads delegated roles as the search visits them. Undefined for a target that no authorised role lists. */
  readonly findTarget: (name: string) => Promise<FoundTarget | undefined>;
  /** Reads all delegated roles. */
  readonly allTargets: () => Promise<AllTargets>;
  readonly trusted: () => TrustedMetadata;
};

/** The root chain ends after this many (the specification suggests 2^10). */
export const MAX_ROOTS = 1024;

const NO_STORE: MetadataStore = {
  read: async () => undefined,
  write: async () => undefined,
  remove: async () => undefined,
};

/**
 * Brings a set that has just its root up to date with the source.
 *
 * @throws DepotError `UNTRUSTED_SIGNATURES`, `ROOT_CHAIN_BROKEN`, `METADATA_MISSING`, `METADATA_INVALID`,
 *   `METADATA_MISMATCH`, `METADATA_EXPIRED`, `METADATA_ROLLBACK`, and what source and store throw
 */
export const openRepository = async (
  source: MetadataSource,
  set: TrustedSet,
  store: MetadataStore = NO_STORE,
): Promise<Repository> => {
  await walkRoots(source, set, store);
  set.closeRoots({ timestamp: await store.read('timestamp'), snapshot: await store.read('snapshot') });

  const timestamp = await readRequired(source, 'timestamp.json', MAX_METADATA_BYTES.timestamp);
  const isNew = inFile(source, 'timestamp.json', () => set.updateTimestamp(timestamp));
  if (isNew) await store.write('timestamp', timestamp);

  const load = async <Result>(role: string, update: (bytes: Uint8Array) => Result): Promise<Result> => {
    const { version, lengthBytes }: FileMeta = set.listed(role);
    const stored = await store.read(role);
    if (stored !== undefined) {
      const result = updateIfGood(stored, update);
      if (result !== undefined) return result.value;
    }
    const fileName = metadataFileName(role, set.root().consistentSnapshot ? version : undefined);
    const limit = MAX_METADATA_BYTES[role === 'snapshot' ? 'snapshot' : 'targets'];
    const bytes = await readRequired(source, fileName, lengthBytes ?? limit);
    const result = inFile(source, fileName, () => update(bytes));
    await store.write(role, bytes);
    return result;
  };

  await load('snapshot', set.updateSnapshot);
  const targets = await load('targets', set.updateTargets);
  const delegated = async (reached: ReachedRole): Promise<Metadata<'targets'>> =>
    set.delegated(reached) ?? (await load(reached.role.name, bytes => set.updateDelegated(reached, bytes)));

  return {
    async findTarget(name) {
      const search = searchTarget(name, targets, set.budget);
      const next = (...role: [] | [Metadata<'targets'>]) =>
        set.budget.timed('targets', () => search.next(...role));
      let step = next();
      while (!step.done) step = next(await delegated(step.value));
      return step.value;
    },
    allTargets: () => resolveAllTargets(targets, delegated, set.budget),
    trusted: set.trusted,
  };
};

/** The same error, with the place of the file that has no form of metadata. */
const inFile = <Result>({ addressOf }: MetadataSource, fileName: string, update: () => Result): Result => {
  try {
    return update();
  } catch (error) {
    if (!(error instanceof DepotError) || error.code !== 'METADATA_INVALID' || addressOf === undefined)
      throw error;
    const { code, message, cause, detail } = error;
    throw new DepotError(code, `${addressOf(fileName)}: ${message}`, {
      cause,
      detail: { ...detail, file: fileName },
    });
  }
};

/** A stored file that does not match is no failure: the source has the right one. */
const updateIfGood = <Result>(
  bytes: Uint8Array,
  update: (bytes: Uint8Array) => Result,
): { readonly value: Result } | undefined => {
  try {
    return { value: update(bytes) };
  } catch (error) {
    if (error instanceof DepotError) return undefined;
    throw error;
  }
};

const walkRoots = async (source: MetadataSource, set: TrustedSet, store: MetadataStore): Promise<void> => {
  const first = set.root().version;
  const newest = rootVersions(source).at(-1) ?? 0;
  for (;;) {
    const before = set.root();
    const version = before.version + 1;
    const fileName = metadataFileName('root', version);
    const bytes = await source.read(fileName, MAX_METADATA_BYTES.root);
    if (bytes === undefined) break;
    if (version - first > MAX_ROOTS) {
      throw new DepotError('METADATA_INVALID', `the chain of roots goes on after ${MAX_ROOTS}, the limit`);
    }
    inFile(source, fileName, () => set.updateRoot(bytes));
    if (dropsOnlineKeys(before, set.root())) {
      await store.remove('timestamp');
      await store.remove('snapshot');
    }
    await store.write('root', bytes);
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
