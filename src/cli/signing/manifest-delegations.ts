/**
 * The delegations of a release manifest:
 *
 *     [[delegation]]                 # in the order of their precedence
 *     name = "team-a"
 *     paths = ["team-a/*"]           # or path_hash_prefixes = ["0", "1f"]
 *     keys = ["team-a.pem"]          # relative to the manifest; by default those of the targets role
 *     threshold = 1
 *     terminating = false
 *
 * or `[hash_bins]` with `bits`, `prefix` (by default "bin"), `keys` and `threshold`.
 */
import assert from 'node:assert/strict';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type DelegationPlan, MAX_BIN_BITS } from '../../signing/delegations.ts';
import { distinctKeys, type RoleSigners } from '../../signing/sign-metadata.ts';
import { usageError } from '../output/failure.ts';
import type { KeyFiles } from './key-files.ts';

const Text = z.string().min(1).max(512);
const signerFields = {
  keys: z.array(Text).min(1).optional(),
  threshold: z.int().min(1).max(64).optional(),
};

export const Delegation = z
  .strictObject({
    name: Text,
    paths: z.array(Text).min(1).optional(),
    path_hash_prefixes: z.array(Text).min(1).optional(),
    terminating: z.boolean().default(false),
    ...signerFields,
  })
  .refine(role => (role.paths === undefined) !== (role.path_hash_prefixes === undefined), {
    error: 'needs either paths or path_hash_prefixes',
  });

export const HashBins = z.strictObject({
  bits: z.int().min(1).max(MAX_BIN_BITS),
  prefix: Text.default('bin'),
  ...signerFields,
});

export type ManifestDelegations = {
  readonly roles: readonly z.output<typeof Delegation>[];
  readonly hashBins: z.output<typeof HashBins> | undefined;
  readonly manifestPath: string;
};

/** @throws `USAGE` for both forms at once, and for more signatures than keys; `SIGNING_KEY_INVALID` */
export const planManifestDelegations = async (
  delegations: ManifestDelegations | undefined,
  keyFiles: KeyFiles,
  targetsSigners: RoleSigners,
): Promise<DelegationPlan | undefined> => {
  if (delegations === undefined) return undefined;
  const { roles, hashBins, manifestPath } = delegations;
  const signers = async (
    name: string,
    { keys: files, threshold = 1 }: { keys?: string[] | undefined; threshold?: number | undefined },
  ): Promise<RoleSigners> => {
    if (files === undefined) return targetsSigners;
    const keys = await keyFiles.readAll(files.map(file => resolve(dirname(manifestPath), file)));
    if (distinctKeys(keys).length < threshold)
      throw usageError(`${threshold} keys must sign ${name}, but it has ${keys.length}`, 'list more keys');
    return { keys, threshold };
  };
  if (hashBins !== undefined) {
    if (roles.length > 0)
      throw usageError('[[delegation]] and [hash_bins] exclude each other', 'use one of them');
    const { prefix: namePrefix, bits: bitLength } = hashBins;
    return { kind: 'hash_bins', namePrefix, bitLength, signers: await signers(namePrefix, hashBins) };
  }
  const planned: (DelegationPlan & { kind: 'roles' })['roles'][number][] = [];
  for (const { name, terminating, paths, path_hash_prefixes: pathHashPrefixes, ...keys } of roles) {
    const coverage = coverageOf(paths, pathHashPrefixes);
    planned.push({ name, terminating, ...coverage, signers: await signers(name, keys) });
  }
  return planned.length === 0 ? undefined : { kind: 'roles', roles: planned };
};

const coverageOf = (paths: string[] | undefined, pathHashPrefixes: string[] | undefined) => {
  if (paths !== undefined) return { paths };
  assert(pathHashPrefixes !== undefined, 'the schema asks for one of the two');
  return { pathHashPrefixes };
};
