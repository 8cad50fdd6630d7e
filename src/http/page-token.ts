/**
 * Tokens of pages on the wire: each carries the query that its list began with, beside the key of the last item.
 *
 *     ?sort_by=…&limit=…        ─▶ handler ─▶ next_page: key ─▶ token { list, query, at: key }
 *     ?page_token=…&limit=…     ─▶ { ...query, page_token: key, limit } ─▶ handler
 *
 * PGT1. A client that sends only `limit` and the token continues the list in the same order, with the same filters. What it
 *       sends beside the token does not count: the token wins, as in the published API.
 * PGT2. A token is not trusted: its query is parsed by the route's schema like any other, and a key is parsed by its list.
 * PGT3. A text that is no such token is the key alone, with the query beside it: tokens of an earlier version continue.
 */
import { z } from 'zod';
import type { Route } from '../api/route.ts';
import { DepotError } from '../lib/errors.ts';

const Token = z.object({
  v: z.literal(1),
  /** The operation. */
  list: z.string(),
  query: z.record(z.string(), z.string()),
  at: z.string(),
});

/** Of every JSON object in base64; no key begins so. */
const TOKEN_START = 'eyJ';

type Query = Readonly<Record<string, unknown>>;

export type OpenedPage = {
  /** For the schema of the route. */
  readonly query: unknown;
  /** Adds the query to the token in an answer. */
  readonly answer: (result: unknown) => unknown;
};

/** @throws DepotError `INVALID_REQUEST` for a damaged token, or one of another list */
export const openPage = (route: Pick<Route, 'operationId' | 'query'>, asked: unknown): OpenedPage => {
  const shape = route.query?.shape ?? {};
  if (!('page_token' in shape)) return { query: asked, answer: result => result };
  const query = continuedQuery(route.operationId, (asked ?? {}) as Query);
  const { limit: _limit, page_token: _token, ...all } = query;
  const filters = Object.fromEntries(Object.entries(all).filter(([name]) => name in shape));
  return { query, answer: result => withToken(result, { list: route.operationId, query: filters }) };
};

const continuedQuery = (list: string, query: Query): Query => {
  const { page_token: token, limit } = query;
  if (typeof token !== 'string' || !token.startsWith(TOKEN_START)) return query; // PGT3
  const { query: filters, at } = readToken(list, token);
  return { ...filters, page_token: at, ...(limit !== undefined && { limit }) };
};

const readToken = (list: string, text: string): z.output<typeof Token> => {
  let token: z.output<typeof Token>;
  try {
    token = Token.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
  } catch (cause) {
    throw new DepotError('INVALID_REQUEST', 'query parameter page_token is not the token of a page', {
      cause,
    });
  }
  if (token.list === list) return token;
  throw new DepotError(
    'INVALID_REQUEST',
    `query parameter page_token is a token of ${token.list}, and this is ${list}: send it where it came from`,
  );
};

const withToken = (result: unknown, { list, query }: { list: string; query: Query }): unknown => {
  const { next_page: at } = result as { next_page?: string | null };
  if (at === undefined || at === null) return result;
  const text = JSON.stringify({ v: 1, list, query, at });
  return { ...(result as object), next_page: Buffer.from(text).toString('base64url') };
};
