/** Pages by key: the token is the last key of the previous page, so that concurrent inserts move nothing. */
import { z } from 'zod';
import { MAX_PAGE_LIMIT } from '../../api/wire.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Page, Paged } from './ports/verb.ts';

/**
 * The most rows that one statement returns or inserts. It bounds the memory of Nexus, the work of the server, and the time for
 * which building or parsing a statement blocks the event loop.
 */
export const READ_BATCH_ROWS = 1_000;
export const INSERT_BATCH_ROWS = 500;

/** How many rows to ask for: one more than the page holds tells whether there is another page. */
export const rowsFor = (page: Page): number => pageLimit(page) + 1;

const pageLimit = ({ limit }: Page): number => Math.max(1, Math.min(limit, MAX_PAGE_LIMIT));

export const pageOf = <Row, Item>(
  rows: readonly Row[],
  page: Page,
  toItem: (row: Row) => Item,
  tokenOf: (row: Row) => string,
): Paged<Item> => {
  const shown = rows.slice(0, pageLimit(page));
  const last = shown.at(-1);
  const items = shown.map(toItem);
  return rows.length > shown.length && last !== undefined ? { items, nextPage: tokenOf(last) } : { items };
};

/** @throws `INVALID_REQUEST` for a token that no page had */
export const parseToken = <S extends z.ZodType>(page: Page, schema: S): z.output<S> | undefined => {
  if (page.pageToken === undefined) return undefined;
  const parsed = schema.safeParse(page.pageToken);
  if (parsed.success) return parsed.data;
  throw new DepotError('INVALID_REQUEST', 'page_token is not the token of a previous page');
};

/** The token of a page of a list that is ordered by number. */
export const PositionToken = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .pipe(z.number().int().max(Number.MAX_SAFE_INTEGER));

/** All items of a list, read in pages of this size. */
export const readAllPages = async <T>(
  limit: number,
  read: (page: Page) => Promise<Paged<T>>,
): Promise<T[]> => {
  const all: T[] = [];
  let pageToken: string | undefined;
  do {
    const page = await read({ limit, pageToken });
    all.push(...page.items);
    pageToken = page.nextPage;
  } while (pageToken !== undefined);
  return all;
};

export const batchesOf = <T>(items: readonly T[], size: number): T[][] => {
  const batches: T[][] = [];
  for (let start = 0; start < items.length; start += size) batches.push(items.slice(start, start + size));
  return batches;
};

/** All rows of a query, batch by batch, by its key: an answer is never larger than a batch, whatever the table holds. */
export async function* readInBatches<Row, Key>(
  read: (after: Key | undefined, limit: number) => Promise<Row[]>,
  keyOf: (row: Row) => Key,
): AsyncGenerator<Row, void, undefined> {
  let after: Key | undefined;
  for (;;) {
    const rows = await read(after, READ_BATCH_ROWS);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < READ_BATCH_ROWS) return;
    after = keyOf(last);
  }
}

export const collect = async <T>(rows: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
};
