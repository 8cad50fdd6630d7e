/** The rules of every datastore for prefix digests. */
import { describe, expect, test } from 'vitest';
import type { ArtifactHash } from '../../../core/ids.ts';
import { markCount, type PrefixDigests, SHA256_BYTES } from '../../../core/prefix-digests.ts';
import type { ReleaseArtifact } from '../../../core/release.ts';
import type { Datastore } from '../datastore.ts';
import type { NewRelease } from '../ports/release-port.ts';
import {
  artifact,
  hashOf,
  insertTrustRoot,
  type OpenDatastore,
  uploadOf,
  version,
  wait,
} from './records.fixture.ts';

/** As many digests as an artifact of this size has; for a database any bytes will do. */
const prefixes = (
  { sizeBytes }: Pick<ReleaseArtifact, 'sizeBytes'>,
  fill: number,
  unitBytes = 2,
): PrefixDigests => ({
  unitBytes,
  digests: new Uint8Array(markCount(sizeBytes, unitBytes) * SHA256_BYTES).fill(fill),
});

const [one, two, three] = ['first one', 'the second', 'a third one'].map(content => artifact(content)) as [
  ReleaseArtifact,
  ReleaseArtifact,
  ReleaseArtifact,
];
const all = new Set([one, two, three].map(({ sha256 }) => sha256));

const withPrefixes = (
  ...of: readonly (readonly [ReleaseArtifact, PrefixDigests])[]
): Pick<NewRelease, 'prefixesOf'> => ({
  prefixesOf: new Map(of.map(([{ sha256 }, digests]) => [sha256, digests])),
});

/** Unit and first byte: each of these tests fills digests with one byte. */
const recorded = async (datastore: Datastore, hashes: ReadonlySet<ArtifactHash> = all) => {
  const found = await datastore.prefixDigests(hashes, wait);
  return [one, two, three].flatMap(({ sha256, sizeBytes }) => {
    const digests = found.get(sha256);
    if (digests === undefined) return [];
    expect(digests.digests).toHaveLength(markCount(sizeBytes, digests.unitBytes) * SHA256_BYTES);
    expect(new Set(digests.digests).size).toBe(1);
    return [[sha256, digests.unitBytes, digests.digests[0]]];
  });
};

export const prefixRules = (open: OpenDatastore): void => {
  describe('prefix digests', () => {
    test('are recorded with their release, and read by the hashes of their artifacts', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(
        await insertTrustRoot(datastore),
        '1.0.0',
        [one, two, three],
        withPrefixes([one, prefixes(one, 1)], [three, prefixes(three, 3, 4)]),
      );
      await datastore.releaseInsert(release, wait);
      expect(await recorded(datastore)).toEqual([
        [one.sha256, 2, 1],
        [three.sha256, 4, 3],
      ]);
      expect(await recorded(datastore, new Set([three.sha256, hashOf('unknown')]))).toEqual([
        [three.sha256, 4, 3],
      ]);
      expect(await recorded(datastore, new Set())).toEqual([]);
    });

    test('of the latest upload count, and an upload without any leaves them (RPX2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const upload = (differing: Partial<NewRelease>, text = '1.0.0') =>
        datastore.releaseInsert(uploadOf(root, text, [one, two], differing), wait);
      await upload({});
      expect(await recorded(datastore)).toEqual([]);
      await upload(withPrefixes([one, prefixes(one, 1)], [two, prefixes(two, 1)]));
      await upload(withPrefixes([one, prefixes(one, 2, 3)]));
      await upload({}, '2.0.0');
      expect(await recorded(datastore)).toEqual([
        [one.sha256, 3, 2],
        [two.sha256, 2, 1],
      ]);
    });

    test('that no artifact of the release can have are not recorded', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const release = uploadOf(
        await insertTrustRoot(datastore),
        '1.0.0',
        [one, two],
        withPrefixes(
          [one, prefixes({ sizeBytes: one.sizeBytes + 2 }, 1)],
          [three, prefixes(three, 1)],
          [two, prefixes({ sizeBytes: 2 }, 1)],
        ),
      );
      await datastore.releaseInsert(release, wait);
      expect(await recorded(datastore)).toEqual([]);
    });

    test('end with the last present release that lists their artifact, and an upload brings them back (RPX1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const upload = (text: string, artifacts: readonly ReleaseArtifact[]) =>
        datastore.releaseInsert(
          uploadOf(
            root,
            text,
            artifacts,
            withPrefixes(...artifacts.map(each => [each, prefixes(each, 1)] as const)),
          ),
          wait,
        );
      const [ofOne, ofTwo] = [one, two].map(({ sha256 }) => [sha256, 2, 1]);
      await upload('1.0.0', [one, two]);
      await upload('2.0.0', [two]);
      await datastore.repoPrune(version('1.0.0'), wait);
      expect(await recorded(datastore)).toEqual([ofTwo]);
      await datastore.repoPrune(version('2.0.0'), wait);
      expect(await recorded(datastore)).toEqual([]);
      await upload('1.0.0', [one, two]);
      expect(await recorded(datastore)).toEqual([ofOne, ofTwo]);
    });

    test('of what an archive is no longer read as end when it is read anew (RPX1, CN4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      const upload = (artifacts: readonly ReleaseArtifact[], differing: Partial<NewRelease>) =>
        datastore.releaseInsert(
          uploadOf(root, '1.0.0', artifacts, { hash: hashOf('one archive'), ...differing }),
          wait,
        );
      await upload([one, two], withPrefixes([one, prefixes(one, 1)], [two, prefixes(two, 1)]));
      await upload([two, three], withPrefixes([three, prefixes(three, 3)]));
      expect(await recorded(datastore)).toEqual([
        [two.sha256, 2, 1],
        [three.sha256, 2, 3],
      ]);
    });
  });
};
