/**
 * The delegations of a targets role: to which roles, for which target paths, signed by which keys.
 *
 *     roles             each with `paths` (patterns) or `path_hash_prefixes`
 *     succinct_roles    2^bit_length hash bins under one set of keys, each target path in exactly one (TAP 15)
 *
 * DG1. The order of `roles` is their precedence. A terminating role that matches ends the search at this delegator.
 * DG2. A delegation lists its paths in exactly one way, and delegations have exactly one of the two forms.
 */
import { quoted } from '../lib/shown-text.ts';
import type { Fields } from './fields.ts';
import { compilePathPattern, type PathPattern, pathPatternProblem, type TargetPath } from './path-pattern.ts';
import { type Keys, parseKeys, parseRoleKeys, type RoleKeys } from './role-keys.ts';
import { delegatedNameProblem } from './role-names.ts';
import { type Spend, STEPS } from './work-budget.ts';

export type DelegatedRole = RoleKeys & { readonly name: string; readonly terminating: boolean };

export type Delegations = {
  readonly keys: Keys;
  /** The roles to search for a target, in order, up to the first terminating one (DG1). */
  readonly rolesFor: (path: TargetPath, spend: Spend) => readonly DelegatedRole[];
  /** The number of roles; up to 2^32 hash bins. */
  readonly count: number;
  readonly all: () => Iterable<DelegatedRole>;
};

/** The most roles of one delegator; hash bins, which are not listed, may be more. */
const MAX_LISTED_ROLES = 20_000;
const HASH_PREFIX = /^[0-9a-f]{1,64}$/;

export const parseDelegations = (fields: Fields, spend: Spend): Delegations => {
  const keys = parseKeys(fields, spend);
  const isSuccinct = fields.has('succinct_roles');
  if (isSuccinct === fields.has('roles')) fields.fail('', 'must have either "roles" or "succinct_roles"');
  return isSuccinct ? parseHashBins(fields.fields('succinct_roles'), keys) : parseListed(fields, keys);
};

type Coverage = (path: TargetPath, spend: Spend) => boolean;
type ListedRole = { readonly role: DelegatedRole; readonly covers: Coverage };

const parseListed = (fields: Fields, keys: Keys): Delegations => {
  const listed = new Map<string, ListedRole>();
  for (const item of fields.items('roles')) {
    const name = item.string('name');
    const problem = delegatedNameProblem(name);
    if (problem !== undefined) item.fail('name', problem);
    if (listed.has(name)) item.fail('name', `repeats ${quoted(name)}; each role may occur once`);
    if (listed.size >= MAX_LISTED_ROLES) fields.fail('roles', `must not exceed ${MAX_LISTED_ROLES}`);
    const role = { name, terminating: item.boolean('terminating'), ...parseRoleKeys(item, keys) };
    listed.set(name, { role, covers: parseCoverage(item) });
  }
  const inOrder = [...listed.values()];
  return {
    keys,
    count: inOrder.length,
    all: () => inOrder.map(({ role }) => role),
    rolesFor(path, spend) {
      const found: DelegatedRole[] = [];
      for (const { role, covers } of inOrder) {
        spend(STEPS.comparison);
        if (!covers(path, spend)) continue;
        found.push(role);
        if (role.terminating) break;
      }
      return found;
    },
  };
};

const parseCoverage = (role: Fields): Coverage => {
  if (role.has('paths') === role.has('path_hash_prefixes')) {
    role.fail('', 'must have either "paths" or "path_hash_prefixes"');
  }
  if (role.has('paths')) {
    const patterns = role.strings('paths').map((pattern): PathPattern => {
      const problem = pathPatternProblem(pattern);
      return problem === undefined ? compilePathPattern(pattern) : role.fail('paths', problem);
    });
    return (path, spend) => patterns.some(matches => matches(path, spend));
  }
  const prefixes = role.strings('path_hash_prefixes');
  if (!prefixes.every(prefix => HASH_PREFIX.test(prefix))) {
    role.fail('path_hash_prefixes', 'must hold 1 to 64 lower-case hex digits each');
  }
  return (path, spend) => {
    const hash = path.hexHash(spend);
    const index = prefixes.findIndex(prefix => hash.startsWith(prefix));
    spend(STEPS.comparison * (index < 0 ? prefixes.length : index + 1));
    return index >= 0;
  };
};

const MAX_BIT_LENGTH = 32;

/** Bin names are the prefix and the number of the bin, as long in hex as that of the last bin. */
const parseHashBins = (fields: Fields, keys: Keys): Delegations => {
  const roleKeys = parseRoleKeys(fields, keys);
  const bitLength = fields.integer('bit_length', 1);
  if (bitLength > MAX_BIT_LENGTH) fields.fail('bit_length', `must not exceed ${MAX_BIT_LENGTH}`);
  const prefix = fields.string('name_prefix');
  const count = 2 ** bitLength;
  const digits = (count - 1).toString(16).length;
  const bin = (index: number): DelegatedRole => ({
    name: `${prefix}-${index.toString(16).padStart(digits, '0')}`,
    terminating: true,
    ...roleKeys,
  });
  const problem = delegatedNameProblem(bin(count - 1).name);
  if (problem !== undefined) fields.fail('name_prefix', problem);
  return {
    keys,
    count,
    *all() {
      for (let index = 0; index < count; index += 1) yield bin(index);
    },
    // The first bits of the hash, as many as it takes to number the bins.
    rolesFor: (path, spend) => [bin(path.hash(spend).readUInt32BE(0) >>> (MAX_BIT_LENGTH - bitLength))],
  };
};
