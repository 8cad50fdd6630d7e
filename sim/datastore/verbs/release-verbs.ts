import { type ArtifactHash, type RepoId, SystemVersion } from '../../../src/core/ids.ts';
import type { ReleaseArtifact } from '../../../src/core/release.ts';
import { nextGeneration } from '../../../src/nexus/datastore/decisions/generation.ts';
import { decidePrune, releaseDeleted } from '../../../src/nexus/datastore/decisions/prune.ts';
import { PositionToken, pageOf, parseToken, rowsFor } from '../../../src/nexus/datastore/paging.ts';
import type {
  FollowedRelease,
  ReleasePort,
  RepoRecord,
} from '../../../src/nexus/datastore/ports/release-port.ts';
import type { Page, Paged } from '../../../src/nexus/datastore/ports/verb.ts';
import { versionOrder } from '../../../src/nexus/datastore/version-order.ts';
import { movedTo, type Query, type Step, withEntry } from '../state.ts';
import { inOrder, presentReleases, wantedSetOf } from '../wanted.ts';
import { withAudit } from './audit-verbs.ts';
import { withPrefixesOf } from './prefix-verbs.ts';

export const repoList = (page: Parameters<ReleasePort['repoList']>[0]): Query<Paged<RepoRecord>> => {
  const token = parseToken(page, SystemVersion);
  const after = token && versionOrder(token).toString('hex');
  const ascending = page.sortBy === 'version_ascending';
  return state => {
    const present = ascending ? presentReleases(state) : presentReleases(state).toReversed();
    const rows = present.filter(
      ({ order }) => after === undefined || (ascending ? order > after : order < after),
    );
    return pageOf(
      rows.slice(0, rowsFor(page)),
      page,
      ({ repo }) => repo,
      ({ repo }) => repo.systemVersion,
    );
  };
};

export const repoGetByVersion =
  (version: SystemVersion, includePruned: boolean): Query<RepoRecord | undefined> =>
  ({ releases }) => {
    for (const { repo } of releases.values())
      if (repo.systemVersion === version)
        return includePruned || repo.timePrunedMs === null ? repo : undefined;
    return undefined;
  };

export const repoGetByHash =
  (hash: string): Query<RepoRecord | undefined> =>
  ({ releases }) =>
    [...releases.values()].find(({ repo }) => repo.hash === hash)?.repo;

export const repoArtifacts = (repoId: RepoId, page: Page): Query<Paged<ReleaseArtifact>> => {
  const start = (parseToken(page, PositionToken) ?? -1) + 1;
  return ({ releases }) => {
    const artifacts = releases.get(repoId)?.description.artifacts ?? [];
    const listed = artifacts
      .slice(start, start + rowsFor(page))
      .map((artifact, index) => ({ artifact, position: start + index }));
    return pageOf(
      listed,
      page,
      ({ artifact }) => artifact,
      ({ position }) => String(position),
    );
  };
};

export const artifactRoles =
  (sha256: ArtifactHash): Query<Awaited<ReturnType<ReleasePort['artifactRoles']>>> =>
  ({ releases }) =>
    inOrder(releases.values())
      .filter(({ hashes }) => hashes.has(sha256))
      .flatMap(({ repo, description }) =>
        description.artifacts
          .filter(artifact => artifact.sha256 === sha256)
          .map(artifact => ({ repo, artifact })),
      );

export const artifactsKnown =
  (hashes: ReadonlySet<ArtifactHash>): Query<Awaited<ReturnType<ReleasePort['artifactsKnown']>>> =>
  ({ releases }) => {
    const known = new Map<ArtifactHash, 'present' | 'deleted'>();
    for (const { repo, hashes: listed } of releases.values()) {
      const isPresent = repo.timePrunedMs === null;
      for (const hash of hashes)
        if (listed.has(hash) && (isPresent || !known.has(hash)))
          known.set(hash, isPresent ? 'present' : 'deleted');
    }
    return known;
  };

export const repoPrune =
  (
    version: SystemVersion,
    { uploadedAtMs, prunedBy, audit }: Omit<Parameters<ReleasePort['repoPrune']>[1], 'signal'>,
  ): Step<Awaited<ReturnType<ReleasePort['repoPrune']>>> =>
  (state, moment) => {
    const { nowMs, repeated } = moment;
    const wanted = wantedSetOf(state);
    const target = state.targets.at(-1)!.repoId;
    const decision = decidePrune({ version, uploadedAtMs, repeated, by: audit?.actor }, wanted, target);
    const { generation } = state.stored;
    if (decision.kind === 'pruned') return { state, answer: { generation } };
    const release = state.releases.get(decision.repoId)!;
    const pruned = {
      ...release,
      bundle: undefined,
      repo: { ...release.repo, timePrunedMs: nowMs, prunedBy },
    };
    const stored = nextGeneration(state.stored, decision.wantedAfter);
    const releases = withEntry(state.releases, decision.repoId, pruned);
    const after = movedTo(withPrefixesOf({ ...state, releases }, decision.wantedAfter), stored, {
      origin: 'change',
      timeCreatedMs: nowMs,
    });
    return {
      state: withAudit(after, audit, releaseDeleted(version, wanted, stored.generation), moment),
      answer: { generation: stored.generation },
    };
  };

export const releaseFollowed =
  ({ keepMs, ...followed }: Parameters<ReleasePort['releaseFollowed']>[0]): Step<void> =>
  (state, { nowMs }) => ({
    state: {
      ...state,
      followed: withEntry(state.followed, followed.source, { ...followed, untilMs: nowMs + keepMs }),
    },
    answer: undefined,
  });

export const releasesFollowed: Query<readonly FollowedRelease[]> = ({ followed, releases }, { nowMs }) =>
  [...followed.values()]
    .filter(({ untilMs }) => untilMs > nowMs)
    .map(({ source, sourceName, repoId }) => ({
      ...{ source, sourceName, repoId },
      systemVersion: releases.get(repoId)!.repo.systemVersion,
    }))
    .toSorted((a, b) => (a.source < b.source ? -1 : 1));
