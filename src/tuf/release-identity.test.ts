/** The name and the digest of a release whose signers name none. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { SystemVersion } from '../core/ids.ts';
import { isDerivedVersion } from '../core/release.ts';
import { generateSigningKey, type SigningKey } from '../signing/signing-keys.ts';
import { derivedVersion, metadataDigest } from './release-identity.ts';
import { makeRepository, NOW_MS, type RepositorySpec, sourceOf } from './repository.fixture.ts';
import { verifyRepository } from './workflow.ts';

const team = generateSigningKey();

const verified = (spec: RepositorySpec) => {
  const made = makeRepository(spec);
  return verifyRepository(sourceOf(made), {
    trustRoots: [{ id: 'pinned', bytes: made.root }],
    nowMs: NOW_MS,
  });
};
const delegating = (teamVersion: number, content: string, key?: SigningKey) =>
  verified({
    ...(key !== undefined && { key }),
    targets: {
      targets: [['top', 'top']],
      version: 7,
      delegations: [{ to: 'team', keys: [team], paths: ['team/*'] }],
    },
    roles: { team: { targets: [['team/x', content]], version: teamVersion, signers: [team] } },
  });
const plain = (content: string, key: SigningKey, version = 7) =>
  verified({ key, targets: { targets: [['x', content]], version } });

test('a changed delegated role below an unchanged targets.json is another release, with a later version (RLI1, RLI3)', async () => {
  const [first, second] = [await delegating(9, 'old'), await delegating(10, 'new')];
  expect(first.targets.bytes).toEqual(second.targets.bytes);
  expect(metadataDigest(first)).not.toBe(metadataDigest(second));
  expect(derivedVersion(first)).toMatch(/^0\.0\.0-targets\.7\.9\.s[0-9a-f]{10}$/);
  expect(derivedVersion(second)).toMatch(/^0\.0\.0-targets\.7\.10\.s[0-9a-f]{10}$/);
  expect(derivedVersion(await delegating(9, 'old'))).toBe(derivedVersion(first));
});

test('equal version numbers of two signers, or of two repositories of one, are two releases (RLI2)', async () => {
  const [one, other] = [generateSigningKey(), generateSigningKey()];
  const versions = [
    derivedVersion(await plain('same', one)),
    derivedVersion(await plain('same', other)),
    derivedVersion(await plain('different', one)),
  ];
  expect(new Set(versions).size).toBe(3);
  for (const version of versions) {
    expect(version).toMatch(/^0\.0\.0-targets\.7\.s[0-9a-f]{10}$/);
    expect(isDerivedVersion(SystemVersion.parse(version))).toBe(true);
  }
  expect(derivedVersion(await plain('same', one))).toBe(versions[0]);
});

test('the largest version numbers fit into a version of a release', async () => {
  const most = Number.MAX_SAFE_INTEGER;
  expect(SystemVersion.safeParse(derivedVersion(await plain('x', generateSigningKey(), most))).success).toBe(
    true,
  );
});

test('without delegated roles the digest is that of targets.json (S18)', async () => {
  const repository = await plain('x', generateSigningKey());
  const { bytes } = repository.targets;
  expect(metadataDigest(repository)).toBe(createHash('sha256').update(bytes).digest('hex'));
});
