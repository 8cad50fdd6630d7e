import assert from 'node:assert/strict';

/**
 * The value that a map has for a key by construction. Its absence is a bug of this program, never a fact of the
 * world: what may be absent is looked up with `get`.
 *
 * @param what names the missing value for the message
 */
export const requireEntry = <K extends string, V>(map: ReadonlyMap<K, V>, key: K, what: string): V => {
  const value = map.get(key);
  assert(value !== undefined, `${what} ${key} is missing`);
  return value;
};
