import { expect, test } from 'vitest';
import { renderReason } from '../../core/facts/reason-text.ts';
import { ArtifactHash, RepoId, SledId, SystemVersion } from '../../core/ids.ts';
import type { BundleReport } from '../../core/release-trust.ts';
import { sledReport } from '../../core/sled-report.fixture.ts';
import type { SledReport } from '../../core/sled-report.ts';
import type { PresentRelease } from '../datastore/ports/wanted-set-port.ts';
import { fakeSled } from '../sleds/fleet.fixture.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { openSledReasons, withheldReasons } from './withheld.ts';

const hash = (n: number) => ArtifactHash.parse(n.toString(16).padStart(64, '0'));
const bundle = 'b'.repeat(64);
const release: PresentRelease = {
  repoId: RepoId.parse('00000002-0000-4000-8000-000000000001'),
  systemVersion: SystemVersion.parse('1.0.0'),
  timeCreatedMs: 0,
  artifacts: new Set([hash(1), hash(2)]),
  bundle: { sha256: bundle, kind: 'signed', isExempted: false },
};

const sled = (
  n: number,
  withheld: readonly ArtifactHash[],
  differing: Partial<SledReport> & { readonly bundle?: Omit<BundleReport, 'sha256'> } = {},
): CollectedSled => {
  const { bundle: state, ...more } = differing;
  const { target } = fakeSled(n);
  const report = sledReport({
    requiresSigned: true,
    withheld: new Set(withheld),
    bundles: state === undefined ? [] : [{ sha256: bundle, ...state }],
    trust: { chains: [{ rootSha256: hash(9), version: 1, newestSha256: hash(9) }], adminKeys: [] },
    ...more,
  });
  const answer = {
    kind: 'ok' as const,
    held: new Map(),
    datasets: 2,
    copiesInFlight: new Set<ArtifactHash>(),
    incarnationId: undefined,
    withheld: new Set(withheld),
  };
  return { id: SledId.parse(target.id), serial: target.serial, target, report, answer };
};

test('a release has one reason for each cause of withholding, with its sleds and its artifacts (HE2)', () => {
  const refused = { state: 'refused' as const, reason: 'signed by other keys' };
  const reasons = withheldReasons(release, [
    sled(1, [hash(1), hash(2)], { bundle: refused }),
    sled(2, [hash(2), hash(7)], { bundle: refused }),
    sled(3, [hash(2)], { bundle: { state: 'admitted' } }),
    sled(4, []),
    sled(5, [hash(7)], { bundle: refused }),
  ]);
  expect(reasons).toEqual([
    {
      code: 'RELEASE_WITHHELD',
      systemVersion: '1.0.0',
      because: 'refused',
      sha256: hash(1),
      artifacts: 2,
      sleds: 2,
      serials: ['sled-1', 'sled-2'],
      error: 'signed by other keys',
    },
    {
      code: 'RELEASE_WITHHELD',
      systemVersion: '1.0.0',
      because: 'unlisted',
      sha256: hash(2),
      artifacts: 1,
      sleds: 1,
      serials: ['sled-3'],
    },
  ]);
  expect(renderReason(reasons[0]!).remedy).toContain('tuf-depot repo exempt 1.0.0');
  expect(renderReason(reasons[1]!).message).toContain('the database was changed');
});

test.each([
  [undefined, 'missing'],
  [{ state: 'missing' }, 'missing'],
  [{ state: 'refused' }, 'refused'],
  [{ state: 'refused', cause: 'signature_scheme' }, 'signature_scheme'],
  [{ state: 'unexempted' }, 'unexempted'],
  [{ state: 'admitted' }, 'unlisted'],
] as const)('a bundle that a sled reports as %o is withheld as %s', (state, because) => {
  const [reason] = withheldReasons(release, [
    sled(1, [hash(1)], state === undefined ? {} : { bundle: state }),
  ]);
  expect(reason).toMatchObject({ because });
  const [without] = withheldReasons({ ...release, bundle: undefined }, [sled(1, [hash(1)])]);
  expect(without).toMatchObject({ because: 'no_bundle' });
});

test('a release that a sled refuses for the scheme of its signatures names the setting of the sled', () => {
  const bundle = { state: 'refused' as const, cause: 'signature_scheme' as const };
  const [reason] = withheldReasons(release, [sled(1, [hash(1)], { bundle })]);
  expect(renderReason(reason!).remedy).toContain(
    'accept_rsa_pkcs1v15 = true in [trust] of the sled-agent.toml of each of these sleds',
  );
});

test('a release that nobody has exempted names the command, and says what to do about one that nobody knows', () => {
  const unsigned = { ...release, bundle: { sha256: bundle, kind: 'unsigned' as const, isExempted: false } };
  const [reason] = withheldReasons(unsigned, [sled(1, [hash(1)], { bundle: { state: 'unexempted' } })]);
  const { remedy } = renderReason(reason!);
  expect(remedy).toContain('confirm it once: tuf-depot repo exempt 1.0.0');
  expect(remedy).toContain('delete it');
});

test('a sled that has pinned roots and needs no signature is named; one that has pinned nothing is not', () => {
  const open = sled(1, [], { requiresSigned: false });
  expect(openSledReasons([open])).toEqual([
    { code: 'SLED_STORES_UNSIGNED', sledId: open.id, serial: 'sled-1' },
  ]);
  const before = sled(1, [], { requiresSigned: false, trust: { chains: [], adminKeys: [] } });
  expect(openSledReasons([before, sled(2, [])])).toEqual([]);
});
