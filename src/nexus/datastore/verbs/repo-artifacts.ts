import { z } from 'zod';
import type { Datastore } from '../datastore.ts';
import { pageOf, parseToken, rowsFor } from '../paging.ts';
import { readRepoArtifacts } from '../repo-artifacts.ts';
import type { Transactions } from '../transactions.ts';

const Position = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** In the order of the release's document; the page token is a position in it. */
export const repoArtifacts =
  (transactions: Transactions): Datastore['repoArtifacts'] =>
  async (repoId, page, wait) => {
    const after = parseToken(page, Position) ?? -1;
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
