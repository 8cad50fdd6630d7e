/** Records a verified release, in the order of src/nexus/datastore/verbs/releases/release-insert.ts (I1, I2). */
import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import type { ArtifactHash } from '../../../src/core/ids.ts';
import type { ReleaseArtifact } from '../../../src/core/release.ts';
import { nextGeneration } from '../../../src/nexus/datastore/decisions/generation.ts';
import {
  insertOutcome,
  releaseUploaded,
  totalsOf,
  wantedWith,
} from '../../../src/nexus/datastore/decisions/insert-outcome.ts';
import {
  type FileFacts,
  filesOf,
  isReadAnew,
  recordedAs,
  renamedZone,
  requireKnownFile,
  requireSameRelease,
  zonesOf,
} from '../../../src/nexus/datastore/decisions/release-conflicts.ts';
import { requirePresent } from '../../../src/nexus/datastore/decisions/trust-move.ts';
import type {
  InsertOutcome,
  NewRelease,
  RepoRecord,
} from '../../../src/nexus/datastore/ports/release-port.ts';
import { versionOrder } from '../../../src/nexus/datastore/version-order.ts';
import { type MemoryState, movedTo, type Step, type StoredRelease, withEntry } from '../state.ts';
import { wantedHashes, wantedSetOf } from '../wanted.ts';
import { withAudit } from './audit-verbs.ts';
import { withBundle } from './bundle-verbs.ts';
import { withPrefixes, withPrefixesOf } from './prefix-verbs.ts';
import { recordRoles } from './release-roles.ts';
import { moveTrustRoot, presentRoot } from './trust-root-verbs.ts';

export const releaseInsert =
  (release: NewRelease, audit: AuditOrigin | undefined): Step<InsertOutcome> =>
  (before, moment) => {
    const { nowMs } = moment;
    const done = before.localRepos.get(release.uploadId);
    if (done !== undefined) {
      const { repo } = before.releases.get(done.repoId)!;
      return { state: before, answer: insertOutcome(release, repo, before.stored.generation) };
    }
    const { artifacts } = release.description;
    const wanted = wantedSetOf(before);
    requirePresent(release.trustRootId, presentRoot(before, release.trustRootId) !== undefined);
    const recorded = findRecorded(before, release);
    const anew = recorded !== undefined && isReadAnew(release, recorded.repo, recorded.description.artifacts);
    const files = withFiles(before, release);
    const stored = withBundle(
      recorded === undefined
        ? newRelease(before, release, nowMs)
        : presentAgain(anew ? withArtifacts(recorded, release) : recorded, nowMs),
      { ...release.bundle, isReadAnew: anew },
    );
    const { repo } = stored;
    const releases = withFilesNamed(withEntry(before.releases, repo.id, stored), files, artifacts);
    const state = moveTrustRoot({ ...before, files, releases }, release.trustRootId, release);
    const wantedAfter = anew ? new Set(wantedHashes(state)) : wantedWith(wanted, artifacts);
    const next = nextGeneration(before.stored, wantedAfter);
    const moved = movedTo(withPrefixesOf(withPrefixes(state, release), wantedAfter), next, {
      origin: 'change',
      timeCreatedMs: nowMs,
    });
    const after = recordRoles(withUpload(moved, release, repo, nowMs), repo.id, release.roles);
    const answer = insertOutcome(release, repo, next.generation);
    return {
      state: withAudit(after, audit, releaseUploaded(release, before.stored, answer), moment),
      answer,
    };
  };

/** @throws `RELEASE_CONFLICT` */
const findRecorded = (state: MemoryState, release: NewRelease): StoredRelease | undefined => {
  const { systemVersion } = release.description;
  const known = [...state.releases.values()].map(({ repo }) => repo);
  const same = recordedAs(
    known.filter(repo => repo.hash === release.hash || repo.systemVersion === systemVersion),
    release,
  );
  if (same === undefined) return undefined;
  const recorded = state.releases.get(same.id)!;
  requireSameRelease(release, same, recorded.description);
  return recorded;
};

/** @throws `ARTIFACT_CONFLICT` */
const withFiles = (state: MemoryState, { description }: NewRelease): MemoryState['files'] => {
  const uploaded = filesOf(description.artifacts);
  const added = new Map<ArtifactHash, FileFacts>();
  for (const [sha256, { sizeBytes, version }] of uploaded) {
    const known = state.files.get(sha256);
    if (known === undefined) added.set(sha256, { sizeBytes, version });
    else {
      const settled = requireKnownFile(uploaded, sha256, known);
      if (settled !== undefined) added.set(sha256, { sizeBytes, version: settled });
    }
  }
  return added.size === 0 ? state.files : new Map([...state.files, ...added]);
};

const newRelease = (state: MemoryState, release: NewRelease, nowMs: number): StoredRelease => {
  const { description, repoId, trustRootId } = release;
  if (state.releases.has(repoId)) throw new Error(`release ${repoId} was inserted with another version`);
  return {
    repo: {
      id: repoId,
      systemVersion: description.systemVersion,
      hash: release.hash,
      hashKind: release.hashKind,
      fileName: release.fileName,
      timeCreatedMs: nowMs,
      timePrunedMs: null,
      prunedBy: undefined,
      leftOut: description.leftOut ?? [],
      ...totalsOf(description.artifacts),
    },
    order: versionOrder(description.systemVersion).toString('hex'),
    description,
    hashes: new Set(description.artifacts.map(({ sha256 }) => sha256)),
    trustRootId,
    bundle: undefined,
  };
};

/** Keeps the id and the rows; retention goes by the time of the latest upload. */
const presentAgain = (recorded: StoredRelease, nowMs: number): StoredRelease => ({
  ...recorded,
  repo: { ...recorded.repo, timeCreatedMs: nowMs, timePrunedMs: null, prunedBy: undefined },
});

/** CN4. */
const withArtifacts = (recorded: StoredRelease, { description }: NewRelease): StoredRelease => ({
  ...recorded,
  repo: { ...recorded.repo, ...totalsOf(description.artifacts) },
  description: { ...recorded.description, artifacts: description.artifacts },
  hashes: new Set(description.artifacts.map(({ sha256 }) => sha256)),
});

/** Artifacts of all releases have the version that their file has, and zones the name that this upload has for them. */
const withFilesNamed = (
  releases: MemoryState['releases'],
  files: MemoryState['files'],
  uploaded: readonly ReleaseArtifact[],
): MemoryState['releases'] => {
  const zones = zonesOf(uploaded);
  const isStale = (artifact: ReleaseArtifact): boolean =>
    files.get(artifact.sha256)?.version !== artifact.version || renamedZone(zones, artifact) !== undefined;
  const named = (artifact: ReleaseArtifact): ReleaseArtifact => ({
    ...artifact,
    version: files.get(artifact.sha256)?.version ?? artifact.version,
    tags: renamedZone(zones, artifact) ?? artifact.tags,
  });
  const changed = [...releases].filter(([, { description }]) => description.artifacts.some(isStale));
  if (changed.length === 0) return releases;
  const renamed = changed.map(([id, release]) => {
    const artifacts = release.description.artifacts.map(named);
    return [id, { ...release, description: { ...release.description, artifacts } }] as const;
  });
  return new Map([...releases, ...renamed]);
};

/** The local repo and the audit of its overrides; an earlier audit of this upload stays. */
const withUpload = (
  state: MemoryState,
  { uploadId, nexusId, overrides }: NewRelease,
  { id: repoId }: RepoRecord,
  timeCreatedMs: number,
): MemoryState => ({
  ...state,
  localRepos: withEntry(state.localRepos, uploadId, { uploadId, nexusId, repoId, timeCreatedMs }),
  overrides:
    overrides.length === 0 || state.overrides.has(uploadId)
      ? state.overrides
      : withEntry(state.overrides, uploadId, { nexusId, repoId, timeCreatedMs, sentences: overrides }),
});
