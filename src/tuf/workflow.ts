/**
 * Verifies a whole repository against the configured trust roots.
 *
 *     for each trust root: open the repository ─▶ all of its targets ─▶ VerifiedRepository
 *
 * WF1. Trust roots are tried in turn, and their order does not matter: a root that does not vouch for the repository is passed over,
 *      whatever it refuses. Once its keys have verified the timestamp, a root vouches, and any refusal but "signed by other
 *      keys" ends the verification.
 * WF2. Whole means every delegated role, and every target that a client could find.
 * WF3. An error about expiry names every role that has expired, and each refusal of a trust root is in the error if none vouches.
 */
import type { LeftOutTarget } from '../core/left-out.ts';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { type MetadataSource, openRepository, type Repository } from './repository.ts';
import type { TrustedVersions } from './rollback.ts';
import { isByOtherKeys, isRefusal, noneVouches, type Refusal } from './root-refusals.ts';
import { type SignaturePolicy, SPECIFIED_SIGNATURES } from './signature-policy.ts';
import type { Target } from './targets.ts';
import type { Override, TrustPolicy } from './trust-policy.ts';
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
  readonly signatures?: SignaturePolicy | undefined;
  /** For all trust roots together (WB2); by default one without a deadline. */
  readonly budget?: WorkBudget;
  /** Observes each attempt: its result replaces the set. */
  readonly watch?: (set: TrustedSet, id: Id) => TrustedSet;
};

export type VerifiedRepository<Id extends string = string> = TrustedMetadata & {
  readonly trustRootId: Id;
  /** By name, of whatever role; those that a client would find. */
  readonly allTargets: ReadonlyMap<string, Target>;
  /** Listed targets that no client would find, or whose bytes nothing proves. */
  readonly leftOut: readonly LeftOutTarget[];
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
  const budget = options.budget ?? createWorkBudget();
  const { trustRoot, repository } = await openByTrustRoot(source, { ...options, budget });
  try {
    const { targets, leftOut } = await repository.allTargets();
    return { ...repository.trusted(), trustRootId: trustRoot.id, allTargets: targets, leftOut };
  } catch (error) {
    throw await namingAllExpired(error, () => examine(source, trustRoot, options, budget));
  }
};

type Opened<Id extends string> = { readonly trustRoot: TrustRoot<Id>; readonly repository: Repository };

/** WF1 */
const openByTrustRoot = async <Id extends string>(
  source: MetadataSource,
  options: VerifyOptions<Id> & { readonly budget: WorkBudget },
): Promise<Opened<Id>> => {
  const { trustRoots, budget, watch = set => set } = options;
  const refusals: (Refusal & { readonly trustRoot: TrustRoot<Id> })[] = [];
  for (const trustRoot of trustRoots) {
    const { id, bytes } = trustRoot;
    const vouching = { vouches: false };
    try {
      const set = watch(startFrom(id, bytes, policyOf(id, options), budget), id);
      return { trustRoot, repository: await openRepository(source, noticing(set, vouching)) };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (vouching.vouches && !isByOtherKeys(error))
        throw await namingAllExpired(error, () => examine(source, trustRoot, options, budget));
      refusals.push({ id, error, trustRoot });
    }
  }
  for (const { trustRoot, error } of refusals) {
    if (error.code !== 'METADATA_EXPIRED') continue;
    const { vouches, expired } = await examine(source, trustRoot, options, budget);
    if (vouches) throw namingExpired(error, expired);
  }
  throw noneVouches(refusals);
};

const policyOf = <Id extends string>(
  id: Id,
  {
    nowMs,
    allowExpired = false,
    rollback,
    allowRollback = false,
    signatures = SPECIFIED_SIGNATURES,
  }: VerifyOptions<Id>,
): TrustPolicy => ({
  ...{ nowMs, allowExpired, allowRollback, signatures },
  trustedVersions: rollback?.(id),
});

/** Notices that the keys of a root have verified the timestamp, whether it is accepted or not. */
const noticing = (set: TrustedSet, vouching: { vouches: boolean }): TrustedSet => ({
  ...set,
  updateTimestamp(bytes) {
    try {
      const isNew = set.updateTimestamp(bytes);
      vouching.vouches = true;
      return isNew;
    } catch (error) {
      vouching.vouches = AFTER_SIGNATURES.has(errorCodeOf(error));
      throw error;
    }
  },
});

/** Of a file, these checks follow that of its signatures. */
const AFTER_SIGNATURES: ReadonlySet<string> = new Set(['METADATA_EXPIRED', 'METADATA_ROLLBACK']);

type Examined = { readonly vouches: boolean; readonly expired: readonly Expired[] };
type Expired = Extract<Override, { kind: 'expired' }>;

/** What a trust root would say if nothing had expired, and what has (WF3). */
const examine = async <Id extends string>(
  source: MetadataSource,
  { id, bytes }: TrustRoot<Id>,
  options: VerifyOptions<Id>,
  budget: WorkBudget,
): Promise<Examined> => {
  const vouching = { vouches: false };
  try {
    const set = startFrom(id, bytes, { ...policyOf(id, options), allowExpired: true }, budget);
    const repository = await openRepository(source, noticing(set, vouching));
    await repository.allTargets();
    const { overrides } = repository.trusted();
    return { vouches: true, expired: overrides.filter(override => override.kind === 'expired') };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { ...vouching, expired: [] };
  }
};

const namingAllExpired = async (error: unknown, examined: () => Promise<Examined>): Promise<unknown> =>
  error instanceof DepotError && error.code === 'METADATA_EXPIRED'
    ? namingExpired(error, (await examined()).expired)
    : error;

/** The same error, with every role that has expired. */
const namingExpired = (error: DepotError, expired: readonly Expired[]): DepotError => {
  if (expired.length < 2) return error;
  const roles = expired.map(({ role, expiresMs }) => `${role} at ${new Date(expiresMs).toISOString()}`);
  const shown = roles.slice(0, MAX_EXPIRED_SHOWN).join(', ');
  const more = roles.length - MAX_EXPIRED_SHOWN;
  return new DepotError(
    'METADATA_EXPIRED',
    `the metadata of ${expired.length} roles has expired: ${shown}${more > 0 ? `, and ${more} more` : ''}; ` +
      'have the repository signed anew, or allow expired metadata',
    { detail: { ...error.detail, expired_roles: expired.length } },
  );
};

const MAX_EXPIRED_SHOWN = 20;

const startFrom = (
  id: string,
  trustRoot: Uint8Array,
  policy: TrustPolicy,
  budget: WorkBudget,
): TrustedSet => {
  try {
    return createTrustedSet(trustRoot, policy, budget);
  } catch (cause) {
    if (!isRefusal(cause) || isByOtherKeys(cause)) throw cause;
    throw new DepotError(cause.code, `the trust root ${id} cannot be used; delete it`, { cause });
  }
};
