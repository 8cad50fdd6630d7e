import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from './canonical-json.ts';
import { isJsonObject, type JsonValue, parseStrictJson } from './strict-json.ts';

const parse = (text: string): JsonValue => parseStrictJson(Buffer.from(text), 'the text');
const canonical = (text: string): string => Buffer.from(canonicalJson(parse(text), 'the text')).toString();

/** As JSON.parse would have it, for comparison. */
const plain = (value: JsonValue): unknown => {
  if (isJsonObject(value)) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
};

test('an unambiguous text has the same meaning as with JSON.parse', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, '\t'), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      fc.pre(text.normalize('NFC') === text && !/\d{16}|e\+/.test(text));
      expect(plain(parse(text))).toEqual(JSON.parse(text));
    }),
  );
});

test('a key that occurs twice in one object is refused (J1)', () => {
  expect(() => parse('{"version": 1, "version": 2}')).toThrow(/the key "version" twice in one object/);
  expect(() => parse('{"a": 1, "\\u0061": 2}')).toThrow(/the key "a" twice/);
  expect(plain(parse('{"a": {"b": 1}, "b": 2}'))).toEqual({ a: { b: 1 }, b: 2 });
});

test('__proto__ and constructor are keys like any other (J2)', () => {
  const value = parse('{"__proto__": {"polluted": 1}, "constructor": 2}');
  expect(isJsonObject(value) && [...value.keys()]).toEqual(['__proto__', 'constructor']);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test.each([
  ['a name that is not in normal form C', '{"e\u0301": 1}'],
  ['a value that is not in normal form C', '["e\u0301"]'],
  ['an escaped value that is not in normal form C', '["e\\u0301"]'],
  ['half a surrogate pair', '["\\ud800"]'],
])('%s is refused (J3)', (_, text) => {
  expect(() => parse(text)).toThrow(/normal form C/);
});

test('bytes that are not UTF-8, and a byte order mark, are refused (J3)', () => {
  expect(() => parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22), 'the text')).toThrow(/not UTF-8/);
  expect(() => parse('\ufeff{}')).toThrow(/not acceptable JSON/);
});

test('an integer that a double would round is refused (J4)', () => {
  expect(parse('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
  expect(() => parse('9007199254740993')).toThrow(/too large to be exact/);
  expect(() => parse('-9007199254740993')).toThrow(/too large to be exact/);
  expect(() => parse('1e999')).toThrow(/too large to be exact/);
});

test('objects and arrays are counted, wherever they are (J5)', () => {
  expect(() => parse(`[${'{},'.repeat(1_000_000)}{}]`)).toThrow(/more than 1000000 objects and arrays/);
  expect(() => parse(`[${'[],'.repeat(500_000)}{}]`)).not.toThrow();
});

test('nesting is bounded (J5)', () => {
  expect(() => parse('['.repeat(100_000))).toThrow(/nesting deeper than 64/);
  expect(() => parse('{"a":'.repeat(100_000))).toThrow(/nesting deeper than 64/);
});

test.each([
  '',
  '{',
  '[1,]',
  '{"a":1,}',
  '{a:1}',
  "{'a':1}",
  '01',
  '+1',
  '.5',
  '1.',
  'NaN',
  'tru',
  '"\n"',
  '"\\x"',
  '1 2',
])('what is not JSON is refused: %j', text => {
  expect(() => parse(text)).toThrow(/^the text is not acceptable JSON: .* at offset \d+$/s);
});

test('canonical form sorts keys by code point, drops white space, and escapes only quotes and backslashes', () => {
  expect(canonical('{ "b": [1, true, null, {}, []], "a": "\\"\\\\\\n\\t/" }')).toBe(
    '{"a":"\\"\\\\\n\t/","b":[1,true,null,{},[]]}',
  );
  // U+FF5E sorts before U+1F600 by code point, and after it by UTF-16 unit.
  expect(canonical('{"\u{1f600}": 1, "\uff5e": 2}')).toBe('{"\uff5e":2,"\u{1f600}":1}');
});

test.each(['1.5', '-0', '[0.1]'])('canonical form has integers only: %s', text => {
  expect(() => canonical(text)).toThrow(/integers only/);
});

describe('a text is bounded before it is copied (J7)', () => {
  const long = 'x'.repeat(65_537);

  test.each([
    ['a value', `["${long}"]`],
    ['a key', `{"${long}":1}`],
    ['one of 30 MB', `["${'x'.repeat(30_000_000)}"]`],
    ['one of escapes', `["${'\\u0041'.repeat(20_000)}"]`],
  ])('%s', (_, text) => {
    expect(() => parse(text)).toThrow(/a text of more than 65536 characters at offset \d$/);
  });

  test('as long as the limit it is accepted', () => {
    expect(parse(`["${long.slice(1)}"]`)).toEqual([long.slice(1)]);
  });
});

test('a message quotes a key short, on one line', () => {
  const key = `\u202e${'y'.repeat(1_000)}`;
  const twice = `{"${key}":1,"${key}":2}`;
  expect(() => parse(twice)).toThrow(/the key "\\u202ey{79}"… \(1001 characters\) twice/);
});
