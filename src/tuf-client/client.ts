/**
 * A TUF client: follows one repository from a trusted root, and fetches targets from it.
 *
 *     init ─▶ root.json ─▶ refresh: source ─▶ trusted metadata, stored ─▶ download: search ─▶ verified file
 *
 * TC1. Metadata is stored as soon as it is trusted, and only then; after a failure at any step the next attempt continues.
 * TC2. One time, that of the refresh, decides about expiry for as long as the client is open (5.1).
 * TC3. A target that is there already, as signed, is not downloaded again.
 */
import { systemClock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import type { RepositorySource } from '../source/source.ts';
import { type MetadataStore, openRepository, type Repository } from '../tuf/repository.ts';
import type { SignaturePolicy } from '../tuf/signature-policy.ts';
import { isProven, type Target, targetFileNames } from '../tuf/targets.ts';
import { createTrustedSet, parseSelfSignedRoot, type TrustedMetadata } from '../tuf/trusted-set.ts';
import { createWorkBudget } from '../tuf/work-budget.ts';
import { isTargetAt, saveTarget, targetPath } from './target-directory.ts';

/**
 * Trusts a root. Contacts no server.
 *
 * @returns its version
 * @throws DepotError `METADATA_INVALID`, `UNTRUSTED_SIGNATURES`, or `INVALID_REQUEST` if another root is trusted
 */
export const initialize = async (
  store: MetadataStore,
  root: Uint8Array,
  signatures: SignaturePolicy,
): Promise<number> => {
  const { signed } = parseSelfSignedRoot(root, signatures);
  const present = await store.read('root');
  if (present !== undefined && Buffer.compare(present, root) !== 0) {
    throw new DepotError(
      'INVALID_REQUEST',
      'a root is trusted here already; to start over, remove the metadata directory or use another',
    );
  }
  if (present === undefined) await store.write('root', root);
  return signed.version;
};

export type ClientOptions = {
  readonly store: MetadataStore;
  readonly source: RepositorySource;
  /** The time of the refresh, in milliseconds since the epoch. */
  readonly nowMs: number;
  readonly signatures: SignaturePolicy;
};

type DownloadedTarget = {
  readonly path: string;
  readonly sizeBytes: number;
  readonly wasThere: boolean;
};

export type TufClient = {
  readonly trusted: () => TrustedMetadata;
  /**
   * Brings one target into a directory.
   *
   * @throws DepotError `TARGET_MISSING` for one that is not signed, or that the source does not have;
   *   `TARGET_LENGTH_MISMATCH`, `TARGET_HASH_MISMATCH`; what the source throws
   */
  readonly download: (
    name: string,
    directory: string,
    options: { readonly signal: AbortSignal },
  ) => Promise<DownloadedTarget>;
};

/**
 * Refreshes the trusted metadata, and then answers from it.
 *
 * @throws DepotError `NO_TRUST_ROOT`, and what `openRepository` throws
 */
export const refreshClient = async ({
  store,
  source,
  nowMs,
  signatures,
}: ClientOptions): Promise<TufClient> => {
  const root = await store.read('root');
  if (root === undefined) {
    throw new DepotError('NO_TRUST_ROOT', 'no root is trusted here yet; begin with: init ROOT.JSON');
  }
  const policy = {
    ...{ nowMs, signatures, allowExpired: false, allowRollback: false },
    trustedVersions: undefined,
  };
  const budget = createWorkBudget({ monotonicMs: systemClock.monotonicMs });
  const repository = await openRepository(source.metadata, createTrustedSet(root, policy, budget), store);
  return {
    trusted: repository.trusted,
    async download(name, directory, { signal }) {
      const path = targetPath(directory, name);
      const target = await requireTarget(repository, name);
      const wasThere = await isTargetAt(path, target);
      if (!wasThere) await fetchTarget({ source, repository, name, target, path, signal });
      return { path, sizeBytes: target.lengthBytes, wasThere };
    },
  };
};

const requireTarget = async (repository: Repository, name: string): Promise<Target> => {
  const target = (await repository.findTarget(name))?.target;
  if (target !== undefined && isProven(target)) return target;
  if (target !== undefined) {
    const algorithms = target.algorithms.join(', ');
    throw new DepotError(
      'TARGET_HASH_MISMATCH',
      `the target ${name} has only hashes of unknown kinds (${algorithms}); sha256 and sha512 are known`,
      { detail: { target: name } },
    );
  }
  throw new DepotError('TARGET_MISSING', `no authorised role lists the target ${name}`, {
    detail: { target: name },
  });
};

type Fetch = {
  readonly source: RepositorySource;
  readonly repository: Repository;
  readonly name: string;
  readonly target: Target;
  readonly path: string;
  readonly signal: AbortSignal;
};

const fetchTarget = async ({ source, repository, name, target, path, signal }: Fetch): Promise<void> => {
  const { consistentSnapshot } = repository.trusted();
  for (const fileName of targetFileNames(name, target.hashes, consistentSnapshot)) {
    const opened = await source.openTarget(fileName, { maxBytes: target.lengthBytes, signal });
    if (opened === undefined) continue;
    await using reader = opened;
    await saveTarget(name, target, reader.chunks, path);
    return;
  }
  throw new DepotError('TARGET_MISSING', `the repository has no file for its target ${name}`, {
    detail: { target: name },
  });
};
