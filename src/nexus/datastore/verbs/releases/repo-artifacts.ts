import { PositionToken, pageOf, parseToken, rowsFor } from '../../paging.ts';
import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readRepoArtifacts } from './artifact-rows.ts';

/** In the order of the release's document; the page token is a position in it. */
export const repoArtifacts =
  (transactions: Transactions): ReleasePort['repoArtifacts'] =>
  async (repoId, page, wait) => {
    const after = parseToken(page, PositionToken) ?? -1;
    const listed = await transactions.read(
      'repo_artifacts',
      db => readRepoArtifacts(db, repoId, { after, limit: rowsFor(page) }),
      wait,
    );
    return pageOf(
      listed,
      page,
      ({ artifact }) => artifact,
      ({ position }) => String(position),
    );
  };
