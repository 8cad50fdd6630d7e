/**
 * A verified release in parts, each small enough to be received from the thread in one short turn of the caller's event
 * loop; the caller requests one part at a time, since a port would deliver many in one turn.
 */
import type { ArtifactHash } from '../core/ids.ts';
import type { PrefixDigests } from '../core/prefix-digests.ts';
import type { ReleaseArtifact } from '../core/release.ts';
import type { ArtifactSource, VerifiedRelease } from './verified-release.ts';

/** A few milliseconds' worth. */
const ARTIFACTS_PER_PART = 1_000;

export type VerdictPart = {
  readonly artifacts: readonly ReleaseArtifact[];
  readonly entries: readonly (readonly [ArtifactHash, ArtifactSource])[];
  readonly prefixes: readonly (readonly [ArtifactHash, PrefixDigests])[];
};

export const splitVerdict = (release: VerifiedRelease): { head: VerifiedRelease; parts: VerdictPart[] } => {
  const { artifacts } = release.description;
  const entries = [...release.entries];
  const prefixes = [...release.prefixesOf];
  const parts: VerdictPart[] = [];
  // No list is longer than that of the artifacts.
  for (let from = 0; from < artifacts.length; from += ARTIFACTS_PER_PART) {
    const until = from + ARTIFACTS_PER_PART;
    parts.push({
      artifacts: artifacts.slice(from, until),
      entries: entries.slice(from, until),
      prefixes: prefixes.slice(from, until),
    });
  }
  const description = { ...release.description, artifacts: [] };
  return { head: { ...release, description, entries: new Map(), prefixesOf: new Map() }, parts };
};

export const joinVerdict = <Id extends string>(
  head: VerifiedRelease<Id>,
  parts: readonly VerdictPart[],
): VerifiedRelease<Id> => ({
  ...head,
  description: { ...head.description, artifacts: parts.flatMap(part => part.artifacts) },
  entries: new Map(parts.flatMap(part => part.entries)),
  prefixesOf: new Map(parts.flatMap(part => part.prefixes)),
});
