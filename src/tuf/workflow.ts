/**
 * Verifies a whole repository against the configured trust roots.
 *
 *     for each trust root: open the repository ─▶ all of its targets ─▶ VerifiedRepository
 *
 * WF1. Trust roots are tried in turn. Only "this root does not vouch for it" (a signature, or a gap between the
 *      root and the archive's) moves on to the next one; anything else is the repository's fault and ends it.
 * WF2. Whole means every delegated role, and every target that a client could find.
 */
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { type MetadataSource, openRepository, type Repository } from './repository.ts';
import type { TrustedVersions } from './rollback.ts';
import type { Target } from './targets.ts';
import type { TrustPolicy } from './trust-policy.ts';
import { createTrustedSet, type TrustedMetadata, type TrustedSet } from './trusted-set.ts';
import { createWorkBudget, type WorkBudget } from './work-budget.ts';

export type TrustRoot<Id extends string = string> = { readonly id: Id; readonly bytes: Uint8Array };

export type VerifyOptions<Id extends string = string> = {
  readonly trustRoots: readonly TrustRoot<Id>[];
  /** The time of this verification, in milliseconds since the epoch. */
  readonly nowMs: number;
  readonly allowExpired?: boolean;
  /** The stored versions of a trust root; undefined if nothing was accepted under it yet. */
  readonly rollback?: (id: Id) => TrustedVersions | undefined;
  readonly allowRollback?: boolean;
  /** For all trust roots together (WB2); by default one without a deadline. */
  readonly budget?: WorkBudget;
  /** Observes each attempt: its result replaces the set. */
  readonly watch?: (set: TrustedSet, id: Id) => TrustedSet;
};

export type VerifiedRepository<Id extends string = string> = TrustedMetadata & {
  readonly trustRootId: Id;
  /** By name, of whatever role; those that a client would find. */
  readonly allTargets: ReadonlyMap<string, Target>;
};

/**
 * @throws DepotError `NO_TRUST_ROOT`; `UNTRUSTED_SIGNATURES` or `ROOT_CHAIN_BROKEN` if no trust root vouches for
 *   the repository; `METADATA_MISSING`, `METADATA_INVALID`, `METADATA_MISMATCH`, `METADATA_EXPIRED`,
 *   `METADATA_ROLLBACK`, `VERIFICATION_LIMIT`
 */
export const verifyRepository = async <Id extends string>(
  source: MetadataSource,
  options: VerifyOptions<Id>,
): Promise<VerifiedRepository<Id>> => {
  const { trustRootId, repository } = await openByTrustRoot(source, options);
  const allTargets = await repository.allTargets();
  return { ...repository.trusted(), trustRootId, allTargets };
};

const openByTrustRoot = async <Id extends string>(
  source: MetadataSource,
  options: VerifyOptions<Id>,
): Promise<{ readonly trustRootId: Id; readonly repository: Repository }> => {
  const { trustRoots, nowMs, allowExpired = false, rollback, allowRollback = false } = options;
  const { watch = set => set, budget = createWorkBudget() } = options;
  const refusals: Refusal[] = [];
  for (const { id, bytes } of trustRoots) {
    const policy = { nowMs, allowExpired, allowRollback, trustedVersions: rollback?.(id) };
    try {
      const set = watch(startFrom(id, bytes, policy, budget), id);
      return { trustRootId: id, repository: await openRepository(source, set) };
    } catch (error) {
      if (!isRefusalByRoot(error)) throw error;
      refusals.push({ id, error });
    }
  }
  throw nobodyVouches(refusals);
};

const startFrom = (
  id: string,
  trustRoot: Uint8Array,
  policy: TrustPolicy,
  budget: WorkBudget,
): TrustedSet => {
  try {
    return createTrustedSet(trustRoot, policy, budget);
  } catch (cause) {
    if (isRefusalByRoot(cause)) throw cause;
    throw new DepotError(errorCodeOf(cause), `the trust root ${id} cannot be used; delete it`, { cause });
  }
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
      'no trust root is configured; add the root.json of the signers of your releases',
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
