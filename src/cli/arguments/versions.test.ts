import { expect, test } from 'vitest';
import { newestFirst, parseVersion } from './versions.ts';

test('releases are in the order of semantic versions, not of text', () => {
  const versions = ['1.2.0', '1.10.0', '1.2.0-rc.2', '1.2.0-rc.10', '0.9.9', '1.2.0-rc.2+b1', '1.2.0-alpha'];
  expect(newestFirst(versions, version => version)).toEqual([
    '1.10.0',
    '1.2.0',
    '1.2.0-rc.10',
    '1.2.0-rc.2+b1',
    '1.2.0-rc.2',
    '1.2.0-alpha',
    '0.9.9',
  ]);
});

test('a text that is not a semantic version is refused with an example of one', () => {
  expect(() => parseVersion('v1.2')).toThrow('v1.2 is not a version');
  expect(parseVersion('2.0.0-rc.1')).toBe('2.0.0-rc.1');
});
