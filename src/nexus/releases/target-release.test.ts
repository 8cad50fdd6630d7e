import { expect, test } from 'vitest';
import { SystemVersion } from '../../core/ids.ts';
import { requireAllowedTarget, requireComplete } from './target-release.ts';

const version = (text: string) => SystemVersion.parse(text);
const change = (from: string | undefined, to: string) => {
  try {
    requireAllowedTarget(from === undefined ? undefined : version(from), version(to));
    return 'allowed';
  } catch (error) {
    return (error as Error).message;
  }
};

test('the first target may be any release, later ones go forward without skipping a major version', () => {
  expect(change(undefined, '7.0.0')).toBe('allowed');
  expect(change('1.0.0', '1.0.1')).toBe('allowed');
  expect(change('1.9.0', '2.0.0')).toBe('allowed');
  expect(change('2.0.0-rc.1', '2.0.0')).toBe('allowed');
  expect(change('1.0.0+a', '1.0.0+b')).toBe('allowed');
  expect(change('1.0.0', '1.0.0')).toMatch(/cannot be changed: it is 1\.0\.0 already/);
  expect(change('1.10.0', '1.9.0')).toMatch(/1\.9\.0 is older than 1\.10\.0/);
  expect(change('2.0.0', '2.0.0-rc.1')).toMatch(/older/);
  expect(change('1.0.0', '3.0.0')).toMatch(/skips a major version after 1\.0\.0; set one of 2\.x first/);
});

test('a release that is not complete is refused with the progress so far (B17)', () => {
  const wanted = version('1.0.0');
  requireComplete(wanted, { complete: true, message: 'on 4 of 4 sleds' });
  expect(() => requireComplete(wanted, { complete: false, message: '2 of 4 sleds hold all of it' })).toThrow(
    expect.objectContaining({
      code: 'RELEASE_NOT_COMPLETE',
      message: expect.stringContaining('2 of 4 sleds hold all of it'),
    }),
  );
  expect(() => requireComplete(wanted, undefined)).toThrow(
    expect.objectContaining({ code: 'RELEASE_NOT_COMPLETE' }),
  );
});
