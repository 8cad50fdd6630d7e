import fc from 'fast-check';
import semver from 'semver';
import { expect, test } from 'vitest';
import { SystemVersion } from '../../core/ids.ts';
import { versionOrder } from './version-order.ts';

const number = fc.oneof(fc.nat(12), fc.nat(2 ** 31)).map(String);
const identifier = fc.oneof(number, fc.stringMatching(/^[0-9a-zA-Z-]{0,3}[a-zA-Z-][0-9a-zA-Z-]{0,2}$/));
const identifiers = fc.array(identifier, { minLength: 1, maxLength: 3 }).map(list => list.join('.'));
const arbVersion = fc
  .tuple(number, number, number, fc.option(identifiers), fc.option(identifiers))
  .map(([major, minor, patch, prerelease, build]) =>
    [`${major}.${minor}.${patch}`, prerelease && `-${prerelease}`, build && `+${build}`].join(''),
  )
  .filter(text => text.length <= 64)
  .map(text => SystemVersion.parse(text));

test('the order of keys is the order of semantic versions, pre-releases too', () => {
  fc.assert(
    fc.property(arbVersion, arbVersion, (a, b) => {
      const precedence = semver.compare(a, b);
      const order = versionOrder(a).compare(versionOrder(b));
      // Versions that differ in their build only have no order between them; their keys differ all the same.
      if (precedence !== 0) expect(order).toBe(precedence);
      else expect(order === 0).toBe(a === b);
    }),
    { numRuns: 2_000 },
  );
});

test('the example of clause 11 of the specification is in order', () => {
  const ordered = [
    ...['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta'],
    ...['1.0.0-beta.2', '1.0.0-beta.11', '1.0.0-rc.1', '1.0.0'],
  ];
  const keys = ordered.map(text => versionOrder(SystemVersion.parse(text)));
  expect(keys.toSorted(Buffer.compare)).toEqual(keys);
});
