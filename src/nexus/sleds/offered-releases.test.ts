import { expect, test } from 'vitest';
import { SystemVersion } from '../../core/ids.ts';
import { BUNDLE_KINDS } from '../../core/release-trust.ts';
import { offeredReleases } from './offered-releases.ts';

const systemVersion = SystemVersion.parse('1.0.0');
const sha256 = 'b'.repeat(64);

test.each(BUNDLE_KINDS)(
  'a release whose bundle is %s is exempt where an admin said so, and nowhere else (OFR1)',
  kind => {
    const offered = (isExempted: boolean) =>
      offeredReleases([{ systemVersion, bundle: { sha256, kind, isExempted } }]);
    expect(offered(false)).toEqual([{ systemVersion, bundle: sha256, isExempt: false }]);
    expect(offered(true)).toEqual([{ systemVersion, bundle: sha256, isExempt: true }]);
  },
);

test('a release without a bundle is not offered', () => {
  expect(offeredReleases([{ systemVersion, bundle: undefined }])).toEqual([]);
});
