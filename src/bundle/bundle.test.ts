import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ArtifactHash, SystemVersion } from '../core/ids.ts';
import { MAX_BUNDLE_BYTES } from '../core/release-trust.ts';
import { errorCodeOf, messageChain } from '../lib/errors.ts';
import { type Bundle, bundleDigest, encodeBundle, parseBundle } from './bundle.ts';

const arbHash = fc.stringMatching(/^[0-9a-f]{64}$/).map(text => ArtifactHash.parse(text));
const arbBundle: fc.Arbitrary<Bundle> = fc.record({
  systemVersion: fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => SystemVersion.parse(`${a}.${b}.0-rc.1`)),
  metadata: fc
    .array(fc.tuple(fc.stringMatching(/^[\w.~%-]{1,20}\.json$/), fc.string({ unit: 'grapheme' })), {
      maxLength: 5,
    })
    .map(entries => new Map(entries)),
  unsigned: fc.array(fc.tuple(arbHash, fc.maxSafeNat()), { maxLength: 4 }).map(all => new Map(all)),
});

const encoded = (bundle: Bundle): Uint8Array => encodeBundle(bundle)?.bytes ?? expect.fail('too large');

const refusalOf = (bytes: Uint8Array | string) => {
  try {
    parseBundle(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  } catch (error) {
    return { code: errorCodeOf(error), message: messageChain(error) };
  }
  return expect.fail('it was accepted');
};

test('a bundle is the same after it was written and read', () => {
  fc.assert(
    fc.property(arbBundle, bundle => {
      const read = parseBundle(encoded(bundle));
      const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
      expect(read.systemVersion).toBe(bundle.systemVersion);
      expect([...read.metadata]).toEqual(sorted(bundle.metadata));
      expect([...read.unsigned]).toEqual(sorted(bundle.unsigned));
    }),
  );
});

test('equal content has one hash, in whatever order it was put together (BU1)', () => {
  fc.assert(
    fc.property(arbBundle, bundle => {
      const reversed = <K, V>(map: ReadonlyMap<K, V>) => new Map([...map].reverse());
      const again = {
        ...bundle,
        metadata: reversed(bundle.metadata),
        unsigned: reversed(bundle.unsigned),
      };
      expect(encodeBundle(again)?.sha256).toBe(bundleDigest(encoded(bundle)));
    }),
  );
});

test('no other bytes are the same bundle: a changed, added or removed byte is refused or other content (BU1)', () => {
  fc.assert(
    fc.property(arbBundle, fc.nat(), fc.nat(255), fc.nat(2), (bundle, at, byte, kind) => {
      const bytes = Buffer.from(encoded(bundle));
      const index = at % bytes.length;
      const rest = bytes.subarray(kind === 1 ? index : index + 1);
      const other = Buffer.concat([bytes.subarray(0, index), Buffer.from(kind === 2 ? [] : [byte]), rest]);
      if (other.equals(bytes)) return;
      let read: Bundle;
      try {
        read = parseBundle(other);
      } catch (error) {
        expect(errorCodeOf(error)).toBe('BUNDLE_INVALID');
        return;
      }
      expect(Buffer.from(encoded(read)).equals(other)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

describe('anything else is refused, naming what is wrong (BU1)', () => {
  const hash = 'a'.repeat(64);
  const text = (change: object = {}) =>
    JSON.stringify({ format: 1, system_version: '1.0.0', metadata: {}, unsigned: [], ...change });

  test('the text that these cases change is a bundle', () => {
    expect(parseBundle(Buffer.from(text())).systemVersion).toBe('1.0.0');
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ['no JSON', 'release', /not JSON/],
    ['nothing', '', /not JSON/],
    ['another format', text({ format: 2 }), /field .*format/],
    ['a version that is none', text({ system_version: 'one' }), /field .*system_version/],
    ['an unknown field', text({ more: 1 }), /more/],
    ['white space', `${text()}\n`, /one encoding/],
    ['a key twice', text().replace('{', '{"format":1,'), /one encoding/],
    [
      'a file twice',
      text().replace('"metadata":{}', '"metadata":{"a.json":"","a.json":"x"}'),
      /one encoding/,
    ],
    ['an escape that is not needed', text().replace('"1.0.0"', '"1.0\\u002e0"'), /one encoding/],
    ['files in another order', text({ metadata: { 'b.json': '', 'a.json': '' } }), /one encoding/],
    ['a file that is no text', text({ metadata: { 'a.json': {} } }), /field .*metadata/],
    ['a file name with a folder', text({ metadata: { '../a.json': '' } }), /field .*metadata/],
    [
      'the file __proto__',
      text().replace('"metadata":{}', '"metadata":{"__proto__":""}'),
      /field .*metadata/,
    ],
    ['half of a surrogate pair', text({ metadata: { 'a.json': '\ud800' } }), /field .*metadata/],
    ['metadata that is a list', text({ metadata: [] }), /field .*metadata/],
    ['a hash that is none', text({ unsigned: [{ sha256: 'x', size: 1 }] }), /field .*unsigned/],
    ['a size that is rounded', text({ unsigned: [{ sha256: hash, size: 2 ** 53 }] }), /field .*unsigned/],
    ['a size below zero', text({ unsigned: [{ sha256: hash, size: -1 }] }), /field .*unsigned/],
    ['a hash twice', text({ unsigned: [1, 2].map(size => ({ sha256: hash, size })) }), /one encoding/],
    ['wrong UTF-8', Buffer.concat([Buffer.from(text()), Buffer.from([0xff])]), /not UTF-8/],
    ['a mark of the byte order', `\ufeff${text()}`, /not JSON/],
    ['nesting without end', '['.repeat(1_000_000), /not JSON/],
  ])('%s', (_, bytes, words) => {
    expect(refusalOf(bytes)).toEqual({ code: 'BUNDLE_INVALID', message: expect.stringMatching(words) });
  });

  test('more files than a repository has', () => {
    const metadata = Object.fromEntries(Array.from({ length: 25_001 }, (_, index) => [`r${index}.json`, '']));
    expect(refusalOf(text({ metadata })).message).toMatch(/field .*metadata/);
  });

  test('one byte more than the limit, which is not read', () => {
    expect(refusalOf(new Uint8Array(MAX_BUNDLE_BYTES + 1)).message).toContain(`limit is ${MAX_BUNDLE_BYTES}`);
  });
});

test('a bundle that would be too large is not written', () => {
  const metadata = new Map([['targets.json', '"'.repeat(MAX_BUNDLE_BYTES / 2)]]);
  expect(encodeBundle({ systemVersion: SystemVersion.parse('1.0.0'), metadata, unsigned: new Map() })).toBe(
    undefined,
  );
});
