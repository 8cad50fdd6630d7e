/**
 * Canonical JSON (OLPC), the form that TUF signatures cover: no white space, keys in order, only `"` and `\`
 * escaped, integers only.
 */
import { DepotError } from '../lib/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './strict-json.ts';

const SURROGATE = /[\ud800-\udfff]/;
const FIRST_SURROGATE = 0xd800;
const AFTER_SURROGATES = 0xe000;
const PAST_ALL_UNITS = 0x10000;

/**
 * The bytes that a signature over `value` covers.
 *
 * @param what names the document in errors
 * @throws DepotError `METADATA_INVALID` for a number that is not an integer, which has no canonical form
 */
export const canonicalJson = (value: JsonValue, what: string): Uint8Array => {
  const parts: string[] = [];
  write(value, parts, what);
  return Buffer.from(parts.join(''), 'utf8');
};

const write = (value: JsonValue, parts: string[], what: string): void => {
  if (typeof value === 'string') parts.push(quote(value));
  else if (typeof value === 'number') parts.push(integer(value, what));
  else if (value === null || typeof value === 'boolean') parts.push(String(value));
  else if (isJsonObject(value)) writeObject(value, parts, what);
  else {
    let separator = '[';
    for (const item of value) {
      parts.push(separator);
      write(item, parts, what);
      separator = ',';
    }
    parts.push(separator === '[' ? '[]' : ']');
  }
};

const writeObject = (object: JsonObject, parts: string[], what: string): void => {
  let separator = '{';
  for (const key of inCodePointOrder([...object.keys()])) {
    parts.push(separator, quote(key), ':');
    write(object.get(key) as JsonValue, parts, what);
    separator = ',';
  }
  parts.push(separator === '{' ? '{}' : '}');
};

const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

const integer = (value: number, what: string): string => {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    throw new DepotError(
      'METADATA_INVALID',
      `${what} holds the number ${value}; signed metadata may hold integers only`,
    );
  }
  return String(value);
};

/** JavaScript sorts by UTF-16 unit, which differs from code point order only where surrogates are involved. */
const inCodePointOrder = (keys: string[]): string[] =>
  keys.some(key => SURROGATE.test(key)) ? keys.sort(byCodePoints) : keys.sort();

const byCodePoints = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const [unitA, unitB] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (unitA !== unitB) return rankOf(unitA) - rankOf(unitB);
  }
  return a.length - b.length;
};

/** Of a UTF-16 unit: surrogates stand for the code points above all others. */
const rankOf = (unit: number): number =>
  unit >= FIRST_SURROGATE && unit < AFTER_SURROGATES ? unit + PAST_ALL_UNITS : unit;
