/** The mistakes that the simulator has to catch, at least one for each guarantee and for each rule it can reach. */
import type { Mutation } from './mutations/mutation.ts';
import { NEXUS_MUTATIONS } from './mutations/nexus.ts';
import { SLED_MUTATIONS } from './mutations/sled.ts';

export const MUTATIONS: readonly Mutation[] = [...SLED_MUTATIONS, ...NEXUS_MUTATIONS];

export const mutationNamed = (name: string): Mutation => {
  const found = MUTATIONS.find(each => each.name === name);
  if (found === undefined) throw new Error(`there is no mutation ${name}`);
  return found;
};
