/** Every artifact of a release, present or deleted. */
import type { ArtifactHash, RepoId } from '../../core/ids.ts';
import { readAllPages } from './paging.ts';
import type { ReleasePort } from './ports/release-port.ts';

const PAGE = 1000;

export const allRepoArtifacts = async (
  datastore: Pick<ReleasePort, 'repoArtifacts'>,
  repoId: RepoId,
  options: { readonly signal: AbortSignal },
): Promise<ReadonlySet<ArtifactHash>> => {
  const artifacts = await readAllPages(PAGE, page => datastore.repoArtifacts(repoId, page, options));
  return new Set(artifacts.map(({ sha256 }) => sha256));
};
