import type { RepoId } from '../../../src/core/ids.ts';
import type { ReleaseRoles, RoleExpiry } from '../../../src/core/release.ts';
import { DepotError } from '../../../src/lib/errors.ts';
import { type MemoryState, type Query, withEntry } from '../state.ts';
import { presentReleases } from '../wanted.ts';

export const releaseRoles: Query<readonly ReleaseRoles[]> = state =>
  presentReleases(state).flatMap(({ repo: { id, systemVersion } }) => {
    const roles = state.roles.get(id);
    return roles === undefined ? [] : [{ systemVersion, roles: [...roles.values()] }];
  });

/** Replaces the metadata of a release: it may be uploaded again, signed anew. */
export const recordRoles = (
  state: MemoryState,
  repoId: RepoId,
  roles: readonly RoleExpiry[],
): MemoryState => {
  if (roles.length === 0) return state;
  if (!state.releases.has(repoId)) throw new DepotError('INTERNAL', `there is no release of id ${repoId}`);
  const recorded = new Map(state.roles.get(repoId));
  for (const role of roles) recorded.set(role.role, role);
  return { ...state, roles: withEntry(state.roles, repoId, recorded) };
};
