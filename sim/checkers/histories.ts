/**
 * The wanted set at each point of each history of the database, and the releases deleted by then: from its commits, not
 * from its table of points.
 *
 * HC1. A restore takes the database to an earlier state, and its history with it: what was deleted after that state is
 *      not deleted in what follows.
 * HC2. One point may stand in several histories, with other releases in each.
 */
import type { ArtifactHash } from '../../src/core/ids.ts';
import { pointText } from '../../src/core/ids.ts';
import type { MemoryState } from '../datastore/state.ts';

/** By its {@link pointText}, of the database or from a file of a sled. */
export type PointName = string;

export type Histories = {
  readonly onCommit: (before: MemoryState, after: MemoryState) => void;
  readonly onRestored: (before: MemoryState, after: MemoryState) => void;
  /** The state of the database became another value with the same content. */
  readonly onCopied: (state: MemoryState, copy: MemoryState) => void;
  /** The wanted set at a point; undefined if no history has the point. */
  readonly wantedAt: (point: PointName) => ReadonlySet<ArtifactHash> | undefined;
  /** Whether a sled that goes from one point to another may delete the artifact: each release that listed it was deleted. */
  readonly mayLose: (from: PointName, to: PointName, sha256: ArtifactHash) => boolean;
  /** Whether a release that listed it had been deleted by then. */
  readonly wasDeleted: (point: PointName, sha256: ArtifactHash) => boolean;
  /** Whether a later generation of some history does not list it: then a config without it may be in flight. */
  readonly mayBeDropped: (generation: number, sha256: ArtifactHash) => boolean;
  /** Whether the database knows the point, or did until a moment ago. */
  readonly isKnown: (state: MemoryState, point: PointName) => boolean;
  /** The last time at which the release was deleted, in any history. */
  readonly deletedAtMs: (version: string) => number | undefined;
};

type Facts = {
  readonly generation: number;
  readonly wanted: ReadonlySet<ArtifactHash>;
  /** The present releases in each history with this point. The key is their versions, joined (HC2). */
  readonly present: Map<string, ReadonlySet<string>>;
  readonly deleted: Set<string>;
};

/** Within this time a decision that a Nexus based on an answer of the database reaches a sled. */
const SLOWEST_ANSWER_MS = 70_000;

export const createHistories = (nowMs: () => number): Histories => {
  const points = new Map<PointName, Facts>();
  const deletedIn = new WeakMap<MemoryState, ReadonlySet<string>>();
  const hashesOf = new Map<string, ReadonlySet<ArtifactHash>>();
  const forgottenAtMs = new Map<PointName, number>();
  const deletedAtMs = new Map<string, number>();

  const listing = (versions: Iterable<string>, sha256: ArtifactHash): string[] =>
    [...versions].filter(version => hashesOf.get(version)?.has(sha256));

  const learn = (state: MemoryState, deleted: ReadonlySet<string>): void => {
    deletedIn.set(state, deleted);
    const present = presentIn(state);
    for (const { repo, hashes } of state.releases.values()) hashesOf.set(repo.systemVersion, hashes);
    const name = pointText(state.stored);
    const facts = points.get(name) ?? newFacts(state, present, hashesOf);
    points.set(name, facts);
    addPresent(facts, present);
    for (const version of deleted) facts.deleted.add(version);
  };

  /** From now on only the present releases count as listing the wanted set of this point. */
  const learnAccepted = (before: MemoryState, after: MemoryState): void => {
    if (after.points === before.points) return;
    for (const [name, { origin }] of after.points) {
      const facts = points.get(name);
      if (facts === undefined || origin !== 'accepted' || before.points.has(name)) continue;
      addPresent(facts, presentIn(after));
    }
  };

  return {
    onCommit(before, after) {
      const known = deletedIn.get(before) ?? new Set<string>();
      if (after.releases === before.releases && after.stored === before.stored) {
        deletedIn.set(after, known);
        learnAccepted(before, after);
        return;
      }
      const [was, is] = [presentIn(before), presentIn(after)];
      const gone = [...was].filter(version => !is.has(version));
      for (const version of gone) deletedAtMs.set(version, nowMs());
      learn(after, new Set([...known, ...gone].filter(version => !is.has(version))));
      learnAccepted(before, after);
    },
    onRestored(before, after) {
      for (const name of before.points.keys()) if (!after.points.has(name)) forgottenAtMs.set(name, nowMs());
      if (!deletedIn.has(after)) learn(after, new Set());
    },
    onCopied: (state, copy) => void deletedIn.set(copy, deletedIn.get(state) ?? new Set()),
    wantedAt: point => points.get(point)?.wanted,
    mayLose(from, to, sha256) {
      const was = points.get(from);
      const is = points.get(to);
      if (was === undefined || is === undefined) return true;
      return [...was.present.values()].some(present =>
        listing(present, sha256).every(version => is.deleted.has(version)),
      );
    },
    wasDeleted: (point, sha256) => listing(points.get(point)?.deleted ?? [], sha256).length > 0,
    mayBeDropped: (generation, sha256) =>
      [...points.values()].some(point => point.generation > generation && !point.wanted.has(sha256)),
    isKnown: (state, point) =>
      state.points.has(point) || nowMs() - (forgottenAtMs.get(point) ?? -Infinity) < SLOWEST_ANSWER_MS,
    deletedAtMs: version => deletedAtMs.get(version),
  };
};

const presentIn = ({ releases }: MemoryState): ReadonlySet<string> =>
  new Set(
    [...releases.values()].flatMap(({ repo }) => (repo.timePrunedMs === null ? [repo.systemVersion] : [])),
  );

const newFacts = (
  { stored }: MemoryState,
  present: ReadonlySet<string>,
  hashesOf: ReadonlyMap<string, ReadonlySet<ArtifactHash>>,
): Facts => ({
  generation: stored.generation,
  wanted: new Set([...present].flatMap(version => [...(hashesOf.get(version) ?? [])])),
  present: new Map(),
  deleted: new Set(),
});

const addPresent = ({ present }: Facts, versions: ReadonlySet<string>): void =>
  void present.set([...versions].sort().join(), versions);
