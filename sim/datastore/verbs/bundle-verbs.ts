import type { AuditOrigin } from '../../../src/core/facts/audit.ts';
import type { RepoId, SystemVersion } from '../../../src/core/ids.ts';
import {
  type OfferedBundle,
  releaseExempted,
  replacesBundle,
  requireBundle,
  staysExempted,
} from '../../../src/nexus/datastore/decisions/release-bundle.ts';
import type {
  BundleGap,
  NewBundle,
  RecordedBundle,
} from '../../../src/nexus/datastore/ports/release-port.ts';
import { type Query, type Step, type StoredRelease, withEntry } from '../state.ts';
import { presentReleases } from '../wanted.ts';
import { withAudit } from './audit-verbs.ts';

export const withBundle = (release: StoredRelease, offered: OfferedBundle): StoredRelease => {
  if (!replacesBundle(release.bundle, offered)) return release;
  const { sha256, kind, bytes } = offered;
  return { ...release, bundle: { sha256, kind, bytes, isExempted: staysExempted(release.bundle, offered) } };
};

export const bundleInsert =
  (repoId: RepoId, offered: NewBundle): Step<boolean> =>
  state => {
    const release = state.releases.get(repoId);
    if (release === undefined || release.repo.timePrunedMs !== null) return { state, answer: false };
    const after = withBundle(release, offered);
    if (after === release) return { state, answer: false };
    return { state: { ...state, releases: withEntry(state.releases, repoId, after) }, answer: true };
  };

export const bundleGaps: Query<readonly BundleGap[]> = state =>
  presentReleases(state).flatMap(({ repo, bundle }) =>
    bundle === undefined || bundle.kind === 'unsigned'
      ? { repoId: repo.id, systemVersion: repo.systemVersion, hasBundle: bundle !== undefined }
      : [],
  );

export const bundleGet =
  (sha256: string): Query<Uint8Array | undefined> =>
  ({ releases }) =>
    [...releases.values()].find(({ bundle }) => bundle?.sha256 === sha256)?.bundle?.bytes;

export const bundleOfRepo =
  (repoId: RepoId): Query<RecordedBundle | undefined> =>
  ({ releases }) => {
    const bundle = releases.get(repoId)?.bundle;
    return bundle && { sha256: bundle.sha256, kind: bundle.kind, isExempted: bundle.isExempted };
  };

export const bundleExempt =
  (version: SystemVersion, audit: AuditOrigin | undefined): Step<RecordedBundle> =>
  (state, moment) => {
    const release = [...state.releases.values()].find(
      ({ repo }) => repo.systemVersion === version && repo.timePrunedMs === null,
    );
    const { sha256, kind, isExempted } = requireBundle(version, release?.bundle);
    const before = { sha256, kind, isExempted };
    const exempted = { ...release!, bundle: { ...release!.bundle!, isExempted: true } };
    const after = { ...state, releases: withEntry(state.releases, release!.repo.id, exempted) };
    return {
      state: withAudit(after, audit, releaseExempted(version, before), moment),
      answer: { ...before, isExempted: true },
    };
  };
