import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Route } from '../api/route.ts';
import { acceptedQuery } from './any-request.fixture.ts';
import { openApiDocuments } from './openapi.ts';
import { openPage } from './page-token.ts';

const lists: readonly Route[] = Object.values(openApiDocuments)
  .flat()
  .flatMap(api => Object.values<Route>(api.routes))
  .filter(({ query }) => query !== undefined && 'page_token' in query.shape);

const tokenOf = (route: Route, query: object): string => {
  const { next_page: token } = openPage(route, query).answer({ items: [], next_page: 'key' }) as {
    next_page: string;
  };
  return token;
};

test('a token alone continues every list with the query that it began with, at the key of the page (PGT1, PGT2)', () => {
  expect(lists.length).toBeGreaterThan(5);
  for (const route of lists)
    fc.assert(
      fc.property(acceptedQuery(route), query => {
        const { limit: _, page_token: __, ...filters } = query;
        const parsed = route.query!.parse(filters);
        const token = tokenOf(route, { ...filters, limit: '2' });
        const others = { sort_by: 'other', kind: 'other', since: 'other' };
        for (const beside of [{}, others]) {
          const again = route.query!.parse(openPage(route, { page_token: token, ...beside }).query);
          expect(again).toEqual({ ...parsed, page_token: 'key' });
        }
        expect(openPage(route, { page_token: token, limit: '7' }).query).toMatchObject({ limit: '7' });
        expect(route.query!.safeParse({ page_token: token }).success, `${token.length} characters`).toBe(
          true,
        );
      }),
      { numRuns: 30 },
    );
});

test('a damaged token and one of another list are refused, a key alone is passed on with the query beside it (PGT3)', () => {
  const [one, other] = lists as [Route, Route];
  const token = tokenOf(one, {});
  for (const damaged of [`${token.slice(0, -4)}`, 'eyJ', Buffer.from('{"v":2}').toString('base64url')])
    expect(() => openPage(one, { page_token: damaged })).toThrow(/page_token is not the token of a page/);
  expect(() => openPage(other, { page_token: token })).toThrow(
    `page_token is a token of ${one.operationId}, and this is ${other.operationId}`,
  );
  const query = { page_token: '1.0.0', sort_by: 'version_ascending' };
  expect(openPage(one, query).query).toEqual(query);
});
