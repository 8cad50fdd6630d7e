/**
 * The delegations of a targets role: to which roles, for which target paths, signed by which keys.
 *
 *     roles             each with `paths` (patterns) or `path_hash_prefixes`
 *     succinct_roles    2^bit_length hash bins under one set of keys, each target path in exactly one (TAP 15)
 *
 * DG1. The order of `roles` is their precedence. A terminating role that matches ends the search at this delegator.
 * DG2. A delegation lists its paths in exactly one way, and delegations have exactly one of the two forms.
 */
import { createHash } from 'node:crypto';
import type { Fields } from './fields.ts';
import { compilePathPattern, type PathPattern, pathPatternProblem } from './path-pattern.ts';
import { type Keys, parseKeys, parseRoleKeys, type RoleKeys } from './role-keys.ts';
import { delegatedNameProblem } from './role-names.ts';

export type DelegatedRole = RoleKeys & { readonly name: string; readonly terminating: boolean };

export type Delegations = {
  readonly keys: Keys;
  /** The roles to search for a target, in order, up to the first terminating one (DG1). */
  readonly rolesFor: (targetName: string) => readonly DelegatedRole[];
  /** The number of roles; up to 2^32 hash bins. */
  readonly count: number;
  /** How many patterns or prefixes a path is compared with at most. */
  readonly comparisons: number;
  readonly all: () => Iterable<DelegatedRole>;
};

/** The most roles of one delegator; hash bins, which are not listed, may be more. */
const MAX_LISTED_ROLES = 20_000;
const HASH_PREFIX = /^[0-9a-f]{1,64}$/;

export const parseDelegations = (fields: Fields): Delegations => {
  const keys = parseKeys(fields);
  const isSuccinct = fields.has('succinct_roles');
  if (isSuccinct === fields.has('roles')) fields.fail('', 'must have either "roles" or "succinct_roles"');
  return isSuccinct ? parseHashBins(fields.fields('succinct_roles'), keys) : parseListed(fields, keys);
};

type LazyHash = () => string;
type Coverage = {
  readonly covers: (path: string, hash: LazyHash) => boolean;
  readonly comparisons: number;
};
type ListedRole = Coverage & { readonly role: DelegatedRole };

const parseListed = (fields: Fields, keys: Keys): Delegations => {
  const listed = new Map<string, ListedRole>();
  for (const item of fields.items('roles')) {
    const name = item.string('name');
    const problem = delegatedNameProblem(name);
    if (problem !== undefined) item.fail('name', problem);
    if (listed.has(name)) item.fail('name', `repeats ${JSON.stringify(name)}; each role may occur once`);
    if (listed.size >= MAX_LISTED_ROLES) fields.fail('roles', `must not exceed ${MAX_LISTED_ROLES}`);
    const role = { name, terminating: item.boolean('terminating'), ...parseRoleKeys(item, keys) };
    listed.set(name, { role, ...parseCoverage(item) });
  }
  return {
    keys,
    count: listed.size,
    comparisons: [...listed.values()].reduce((sum, { comparisons }) => sum + comparisons, 0),
    all: () => [...listed.values()].map(({ role }) => role),
    rolesFor(targetName) {
      const hash = lazyHash(targetName);
      const found: DelegatedRole[] = [];
      for (const { role, covers } of listed.values()) {
        if (!covers(targetName, hash)) continue;
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
    return { covers: path => patterns.some(matches => matches(path)), comparisons: patterns.length };
  }
  const prefixes = role.strings('path_hash_prefixes');
  if (!prefixes.every(prefix => HASH_PREFIX.test(prefix))) {
    role.fail('path_hash_prefixes', 'must hold 1 to 64 lower-case hex digits each');
  }
  const covers: Coverage['covers'] = (_, hash) => prefixes.some(prefix => hash().startsWith(prefix));
  return { covers, comparisons: prefixes.length };
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
    comparisons: 1,
    *all() {
      for (let index = 0; index < count; index += 1) yield bin(index);
    },
    // The first bits of the hash, as many as it takes to number the bins.
    rolesFor: targetName => [bin(sha256(targetName).readUInt32BE(0) >>> (MAX_BIT_LENGTH - bitLength))],
  };
};

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

const lazyHash = (path: string): LazyHash => {
  let hex: string | undefined;
  return () => {
    hex ??= sha256(path).toString('hex');
    return hex;
  };
};
