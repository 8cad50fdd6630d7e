/** Releases under one root. Those of a call have higher versions of their metadata than those before: these are a rollback. */

import { makeTestRelease, type TestRelease } from '../../src/signing/release.fixture.ts';
import type { RepositoryKeys } from '../../src/signing/sign-metadata.ts';

export type ReleaseMaker = {
  readonly makeReleases: (...systemVersions: readonly string[]) => Promise<TestRelease[]>;
  /** One more for each call of the result, with the versions of their metadata that the first one has. */
  readonly makeSeries: (major: number) => () => Promise<TestRelease>;
};

/** Each has one artifact that all share, and two of its own. */
export const releaseMaker = (directory: string): ReleaseMaker => {
  let keys: RepositoryKeys | undefined;
  let latest = 0;
  const make = async (systemVersion: string, version: number): Promise<TestRelease> => {
    const release = await makeTestRelease(directory, {
      systemVersion,
      artifacts: [{ seed: 'of-all', sizeBytes: 30_000 }, 20_000, 3_000],
      versions: { timestamp: version, snapshot: version, targets: version },
      ...(keys === undefined ? {} : { keys }),
    });
    keys = release.keys;
    return release;
  };
  return {
    async makeReleases(...systemVersions) {
      const made: TestRelease[] = [];
      latest += 1;
      for (const systemVersion of systemVersions) made.push(await make(systemVersion, latest));
      return made;
    },
    makeSeries(major) {
      latest += 1;
      const version = latest;
      let minor = 0;
      return () => make(`${major}.${minor++}.0`, version);
    },
  };
};
