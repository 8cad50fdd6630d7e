/**
 * A clause of a query that depends on a value which may be absent:
 *
 *     query.$call(ifGiven(after, (list, id) => list.where('id', '>', id)))
 *
 * Unlike in Kysely's own `$if`, the type of the value excludes undefined.
 */
export const ifGiven =
  <Query, Value>(value: Value | undefined, add: (query: Query, value: Value) => Query) =>
  (query: Query): Query =>
    value === undefined ? query : add(query, value);
