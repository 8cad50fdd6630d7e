import type { ArtifactHash } from '../../../src/core/ids.ts';
import { noLongerWanted, prefixesToRecord } from '../../../src/nexus/datastore/decisions/release-prefixes.ts';
import type { NewRelease, ReleasePort } from '../../../src/nexus/datastore/ports/release-port.ts';
import type { MemoryState, Query } from '../state.ts';

export const withPrefixes = (state: MemoryState, release: NewRelease): MemoryState => ({
  ...state,
  prefixes: new Map([...state.prefixes, ...prefixesToRecord(release)]),
});

/** @param after the wanted set */
export const withPrefixesOf = (state: MemoryState, after: ReadonlySet<ArtifactHash>): MemoryState => {
  const ended = new Set(noLongerWanted(state.prefixes.keys(), after));
  if (ended.size === 0) return state;
  return { ...state, prefixes: new Map([...state.prefixes].filter(([sha256]) => !ended.has(sha256))) };
};

export const prefixDigests =
  (hashes: ReadonlySet<ArtifactHash>): Query<Awaited<ReturnType<ReleasePort['prefixDigests']>>> =>
  ({ prefixes }) =>
    new Map([...prefixes].filter(([sha256]) => hashes.has(sha256)));
