/** The mutations, at least one for each guarantee and for each rule. */
import { CALLER_MUTATIONS } from './mutations/callers.ts';
import { IDENTITY_MUTATIONS } from './mutations/identities.ts';
import { LINEAGE_MUTATIONS } from './mutations/lineage.ts';
import type { Mutation } from './mutations/mutation.ts';
import { ARCHIVE_MUTATIONS } from './mutations/nexus-archives.ts';
import { ROUND_MUTATIONS } from './mutations/nexus-rounds.ts';
import { CONFIG_MUTATIONS } from './mutations/sled-config.ts';
import { COPY_MUTATIONS } from './mutations/sled-copies.ts';
import { DELETION_MUTATIONS } from './mutations/sled-deletions.ts';
import { TRUST_MUTATIONS } from './mutations/sled-trust.ts';
import { STATEMENT_MUTATIONS } from './mutations/statements.ts';

export const MUTATIONS: readonly Mutation[] = [
  ...COPY_MUTATIONS,
  ...DELETION_MUTATIONS,
  ...CONFIG_MUTATIONS,
  ...LINEAGE_MUTATIONS,
  ...ARCHIVE_MUTATIONS,
  ...ROUND_MUTATIONS,
  ...IDENTITY_MUTATIONS,
  ...STATEMENT_MUTATIONS,
  ...CALLER_MUTATIONS,
  ...TRUST_MUTATIONS,
];

export const mutationNamed = (name: string): Mutation => {
  const found = MUTATIONS.find(each => each.name === name);
  if (found === undefined) throw new Error(`there is no mutation ${name}`);
  return found;
};
