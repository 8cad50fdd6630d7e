/** The order of releases: semantic versions, pre-releases before their release, build metadata last. */
import compareBuild from 'semver/functions/compare-build.js';
import { SystemVersion } from '../../core/ids.ts';
import { usageError } from '../output/failure.ts';

/** Negative when `a` is older. */
export const compareVersions = (a: string, b: string): number => compareBuild(a, b);

export const newestFirst = <T>(items: readonly T[], version: (item: T) => string): T[] =>
  items.toSorted((a, b) => compareVersions(version(b), version(a)));

export const parseVersion = (text: string): SystemVersion => {
  const parsed = SystemVersion.safeParse(text);
  if (!parsed.success) {
    throw usageError(`${text} is not a version`, 'versions are semantic, such as 1.2.3 or 2.0.0-rc.1');
  }
  return parsed.data;
};
