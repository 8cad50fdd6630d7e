/**
 * JSON with exactly one meaning.
 *
 * Metadata is signed over its canonical form and read by several implementations; wherever two readers of
 * the same bytes could differ, this one refuses.
 *
 * J1. A key occurs once in an object; `JSON.parse` silently keeps the last.
 * J2. Objects are Maps, so `__proto__` and `constructor` are ordinary keys.
 * J3. Text is well-formed UTF-8 and in Unicode normal form C: some signers normalise before they sign.
 * J4. An integer is exact; one that a double would round is refused.
 * J5. Depth is bounded, and so are objects and arrays, which take a hundred times the memory of their text, and other values; size
 *     is bounded by the caller that read the bytes.
 * J6. A run of combining marks is bounded: bringing them in order takes the square of its length.
 * J7. A text is bounded before it is copied: a copy, its canonical form and a message that quotes it each take its size again.
 */
import { DepotError } from '../lib/errors.ts';
import { quoted } from '../lib/shown-text.ts';
import { type Spend, STEPS, uncounted } from './work-budget.ts';

export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** TUF metadata nests about 8 deep; a `custom` field may go further. */
const MAX_DEPTH = 64;
/** 100,000 targets have some 300,000. */
const MAX_CONTAINERS = 1_000_000;
/** That are no objects and arrays; 100,000 targets have some 300,000. */
const MAX_SCALARS = 4_000_000;
/** The key of 16,384 bits has 3,000 characters, its signature 4,096; a `custom` field may have pages of text. */
const MAX_STRING_LENGTH = 65_536;
/** Of the Stream-Safe Text Format (Unicode Standard Annex 15); no language has half as many. */
const TOO_MANY_MARKS = /\p{M}{31}/u;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const LITERALS = new Map<string, JsonValue>([
  ['true', true],
  ['false', false],
  ['null', null],
]);
const NOT_ASCII = /[^\0-\x7f]/;

/**
 * Parses one JSON text.
 *
 * @param what names the text in errors, e.g. `targets.json`
 * @throws DepotError `METADATA_INVALID`, with the offset in characters
 */
export const parseStrictJson = (bytes: Uint8Array, what: string, spend: Spend = uncounted): JsonValue => {
  const cursor: Cursor = { text: decodeUtf8(bytes, what), what, spend, at: 0, containers: 0, scalars: 0 };
  const value = parseValue(cursor, 0);
  skipSpace(cursor);
  if (cursor.at !== cursor.text.length) fail(cursor, 'something after the end of the value');
  return value;
};

type Cursor = {
  readonly text: string;
  readonly what: string;
  readonly spend: Spend;
  at: number;
  containers: number;
  scalars: number;
};

const fail = ({ what, at }: Cursor, problem: string): never => {
  throw new DepotError('METADATA_INVALID', `${what} is not acceptable JSON: ${problem} at offset ${at}`);
};

const skipSpace = (cursor: Cursor): void => {
  for (;;) {
    const code = cursor.text.charCodeAt(cursor.at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    cursor.at += 1;
  }
};

const take = (cursor: Cursor, char: string): boolean => {
  skipSpace(cursor);
  if (cursor.text[cursor.at] !== char) return false;
  cursor.at += 1;
  return true;
};

const parseValue = (cursor: Cursor, depth: number): JsonValue => {
  if (depth > MAX_DEPTH) fail(cursor, `nesting deeper than ${MAX_DEPTH}`);
  if (take(cursor, '{')) return parseObject(cursor, depth + 1);
  if (take(cursor, '[')) return parseArray(cursor, depth + 1);
  countScalar(cursor);
  if (cursor.text.charCodeAt(cursor.at) === QUOTE) return parseString(cursor);
  for (const [word, value] of LITERALS) {
    if (!cursor.text.startsWith(word, cursor.at)) continue;
    cursor.at += word.length;
    return value;
  }
  return parseNumber(cursor);
};

const countContainer = (cursor: Cursor): void => {
  cursor.containers += 1;
  cursor.spend(STEPS.container);
  if (cursor.containers > MAX_CONTAINERS) fail(cursor, `more than ${MAX_CONTAINERS} objects and arrays`);
};

const countScalar = (cursor: Cursor): void => {
  cursor.scalars += 1;
  cursor.spend(STEPS.value);
  if (cursor.scalars > MAX_SCALARS) fail(cursor, `more than ${MAX_SCALARS} texts, numbers and other values`);
};

const parseObject = (cursor: Cursor, depth: number): JsonObject => {
  countContainer(cursor);
  const members = new Map<string, JsonValue>();
  if (take(cursor, '}')) return members;
  do {
    skipSpace(cursor);
    const key = parseString(cursor);
    if (members.has(key)) fail(cursor, `the key ${quoted(key)} twice in one object`);
    if (!take(cursor, ':')) fail(cursor, 'expected ":"');
    members.set(key, parseValue(cursor, depth));
  } while (take(cursor, ','));
  if (!take(cursor, '}')) fail(cursor, 'expected "," or "}"');
  return members;
};

const parseArray = (cursor: Cursor, depth: number): JsonValue[] => {
  countContainer(cursor);
  const items: JsonValue[] = [];
  if (take(cursor, ']')) return items;
  do items.push(parseValue(cursor, depth));
  while (take(cursor, ','));
  if (!take(cursor, ']')) fail(cursor, 'expected "," or "]"');
  return items;
};

const parseString = (cursor: Cursor): string => {
  const { text, at: start } = cursor;
  if (text.charCodeAt(start) !== QUOTE) fail(cursor, 'expected a string');
  let escaped = false;
  let end = start + 1;
  for (let code = text.charCodeAt(end); code !== QUOTE; code = text.charCodeAt(end)) {
    // Past the end the code is NaN, for which the comparison is false.
    if (!(code >= FIRST_PRINTABLE))
      fail(cursor, 'an unterminated string, or a raw control character in one,');
    if (code === BACKSLASH) escaped = true;
    end += code === BACKSLASH ? 2 : 1;
    if (end - start - 1 > MAX_STRING_LENGTH)
      fail(cursor, `a text of more than ${MAX_STRING_LENGTH} characters`);
  }
  const value = escaped ? decodeEscapes(cursor, text.slice(start, end + 1)) : text.slice(start + 1, end);
  if (NOT_ASCII.test(value)) {
    if (TOO_MANY_MARKS.test(value)) fail(cursor, 'text with more than 30 combining marks in a row');
    if (!(value.isWellFormed() && value.normalize('NFC') === value))
      fail(cursor, 'text that is not in Unicode normal form C');
  }
  cursor.at = end + 1;
  return value;
};

const decodeEscapes = (cursor: Cursor, literal: string): string => {
  try {
    return JSON.parse(literal) as string;
  } catch {
    return fail(cursor, 'an invalid escape');
  }
};

const parseNumber = (cursor: Cursor): number => {
  NUMBER.lastIndex = cursor.at;
  const match = NUMBER.exec(cursor.text) ?? fail(cursor, 'expected a value');
  const value = Number(match[0]);
  const isInteger = match[1] === undefined && match[2] === undefined;
  if (!Number.isFinite(value) || (isInteger && !Number.isSafeInteger(value))) {
    fail(cursor, `the number ${match[0].slice(0, 32)}, too large to be exact,`);
  }
  cursor.at += match[0].length;
  return value;
};

const decodeUtf8 = (bytes: Uint8Array, what: string): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DepotError('METADATA_INVALID', `${what} is not UTF-8 text`, { cause });
  }
};

export const isJsonObject = (value: JsonValue | undefined): value is JsonObject => value instanceof Map;
