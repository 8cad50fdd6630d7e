/** Releases under one root. Those of a call have higher versions of their metadata than those before: these are a rollback. */
import type { RepositoryKeys } from '../../src/release/sign-metadata.ts';
import { makeTestRelease, type TestRelease } from '../../src/release/test-release.ts';

export type MakeReleases = (...systemVersions: readonly string[]) => Promise<TestRelease[]>;

/** Each has one artifact of all and two of its own. */
export const releaseMaker = (directory: string): MakeReleases => {
  let keys: RepositoryKeys | undefined;
  let version = 0;
  const make = async (systemVersion: string): Promise<TestRelease> => {
    const release = await makeTestRelease(directory, {
      systemVersion,
      artifacts: [{ seed: 'of-all', sizeBytes: 30_000 }, 20_000, 3_000],
      versions: { timestamp: version, snapshot: version, targets: version },
      ...(keys === undefined ? {} : { keys }),
    });
    keys = release.keys;
    return release;
  };
  return async (...systemVersions) => {
    const made: TestRelease[] = [];
    version += 1;
    for (const systemVersion of systemVersions) made.push(await make(systemVersion));
    return made;
  };
};
