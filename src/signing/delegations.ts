/**
 * Delegations of a repository that is assembled: which roles sign for which targets, with which keys.
 *
 * Delegations are one level deep: only the top-level targets role delegates.
 */
import { DepotError } from '../lib/errors.ts';
import { type Delegations, parseDelegations } from '../tuf/delegations.ts';
import { fieldsOf } from '../tuf/fields.ts';
import { targetPath } from '../tuf/path-pattern.ts';
import { parseStrictJson } from '../tuf/strict-json.ts';
import { uncounted } from '../tuf/work-budget.ts';
import { distinctKeys, type RoleSigners, type SignedObject } from './sign-metadata.ts';

export type DelegationPlan =
  /** In the order of their precedence. */
  | { readonly kind: 'roles'; readonly roles: readonly RolePlan[] }
  /** 2^`bitLength` roles of one set of keys, each target path in the bin of its hash. */
  | {
      readonly kind: 'hash_bins';
      readonly namePrefix: string;
      readonly bitLength: number;
      readonly signers: RoleSigners;
    };

type RolePlan = {
  readonly name: string;
  readonly signers: RoleSigners;
  /** The search for a matching target that is not listed here ends. */
  readonly terminating: boolean;
} & ({ readonly paths: readonly string[] } | { readonly pathHashPrefixes: readonly string[] });

export type PlannedDelegations = {
  /** The member `delegations` of the targets metadata. */
  readonly object: SignedObject;
  readonly roles: readonly { readonly name: string; readonly signers: RoleSigners }[];
  /** The role that lists a target, `targets` where nothing is delegated. */
  readonly roleOf: (targetName: string) => string;
};

/** A file for each bin: more than this is for repositories of many thousand targets. */
export const MAX_BIN_BITS = 12;

/** @throws DepotError `METADATA_INVALID` for delegations that no client could read */
export const planDelegations = (plan: DelegationPlan): PlannedDelegations => {
  const object = plan.kind === 'roles' ? listedRoles(plan.roles) : hashBins(plan);
  const delegations = parsedDelegations(object);
  const roles =
    plan.kind === 'roles'
      ? plan.roles
      : Array.from(delegations.all(), ({ name }) => ({ name, signers: plan.signers }));
  return {
    object,
    roles,
    roleOf: targetName => delegations.rolesFor(targetPath(targetName), uncounted)[0]?.name ?? 'targets',
  };
};

/** Read as a client reads them. */
const parsedDelegations = (object: SignedObject): Delegations => {
  const what = 'the delegations';
  const value = parseStrictJson(Buffer.from(JSON.stringify(object)), what);
  return parseDelegations(fieldsOf(value, { what, code: 'METADATA_INVALID' }), uncounted);
};

const listedRoles = (roles: readonly RolePlan[]): SignedObject => ({
  keys: listedKeys(roles.map(({ signers }) => signers)),
  roles: roles.map(({ name, signers, terminating, ...coverage }) => ({
    name,
    ...roleKeys(signers),
    terminating,
    ...('paths' in coverage ? { paths: coverage.paths } : { path_hash_prefixes: coverage.pathHashPrefixes }),
  })),
});

const hashBins = (plan: DelegationPlan & { kind: 'hash_bins' }): SignedObject => {
  if (plan.bitLength > MAX_BIN_BITS)
    throw new DepotError(
      'METADATA_INVALID',
      `2^${plan.bitLength} hash bins are too many; use up to ${MAX_BIN_BITS} bits`,
    );
  return {
    keys: listedKeys([plan.signers]),
    succinct_roles: {
      ...roleKeys(plan.signers),
      bit_length: plan.bitLength,
      name_prefix: plan.namePrefix,
    },
  };
};

const listedKeys = (signers: readonly RoleSigners[]): SignedObject =>
  Object.fromEntries(
    distinctKeys(signers.flatMap(({ keys }) => keys)).map(({ keyId, listed }) => [keyId, listed]),
  );

const roleKeys = ({ keys, threshold }: RoleSigners) => ({
  keyids: distinctKeys(keys).map(({ keyId }) => keyId),
  threshold,
});
