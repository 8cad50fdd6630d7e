import { expect, test } from 'vitest';
import { TrustRootId } from '../../../core/ids.ts';
import { systemClock } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { TrustedVersions } from '../../../tuf/rollback.ts';
import { SPECIFIED_SIGNATURES } from '../../../tuf/signature-policy.ts';
import type { VerifiedRelease, VerifyRequest } from '../../../verify/verified-release.ts';
import { hashOf } from '../../datastore/conformance/records.fixture.ts';
import type { RepoRecord } from '../../datastore/ports/release-port.ts';
import type { TrustRootRecord } from '../../datastore/ports/trust-root-port.ts';
import { checkArchive } from './check-archive.ts';
import { createLostSets } from './lost-sets.ts';

const rootId = TrustRootId.parse('00000001-0000-4000-8000-000000000001');
const remembered: TrustedVersions = { root: 1, timestamp: 7, snapshot: 7, targets: 7 };
const root = { id: rootId, rootBytes: new Uint8Array([2]), trustedVersions: remembered };
const [oldRoot, newRoot] = [new Uint8Array([1]), new Uint8Array([2])];
const found = { root: 1, timestamp: 9, snapshot: 9, targets: 9 };

type Given = {
  readonly isRecorded?: boolean;
  readonly isDeleted?: boolean;
  readonly allowRevokedKeys?: boolean;
  /** The oldest root alone vouches for it. */
  readonly isOfOldKeys?: boolean;
  readonly recordedBefore?: boolean;
  readonly allowExpired?: boolean;
  /** Why the archive is refused, unless that is allowed. */
  readonly refusal?: 'METADATA_EXPIRED' | 'METADATA_ROLLBACK' | 'METADATA_INVALID';
  /** The sets of points that the database has lost. */
  readonly lostSets?: readonly (readonly string[])[];
};

/** What the verification is asked, and what is made of its answer. */
const check = async (archive: Given, asked: VerifyRequest<TrustRootId>[] = []) => {
  const lost = createLostSets();
  const sets = (archive.lostSets ?? []).map(set => new Set(set.map(hashOf)));
  lost.record(sets);
  const checked = await checkArchive(
    {
      datastore: {
        repoGetByHash: async () =>
          archive.isRecorded || archive.isDeleted
            ? ({ systemVersion: '1.0.0', timePrunedMs: archive.isDeleted ? 1 : null } as RepoRecord)
            : undefined,
        trustRootList: async () => ({ items: [root as unknown as TrustRootRecord] }),
        trustRootChain: async () => [oldRoot, newRoot],
      },
      signatures: SPECIFIED_SIGNATURES,
      verifyRelease: async (_path, request) => {
        asked.push(request);
        const isAllowed = request.allowExpired && request.allowRollback;
        if (archive.refusal !== undefined && !isAllowed) throw new DepotError(archive.refusal, 'refused');
        if (archive.isOfOldKeys && !request.trustRoots.some(({ bytes }) => bytes === oldRoot))
          throw new DepotError('UNTRUSTED_SIGNATURES', 'by no key of the newest root');
        const report = [
          { check: 'targets', text: 'targets verified' },
          { check: 'override', text: 'timestamp expired in 2001' },
        ];
        const description = { artifacts: [{ sha256: hashOf('wanted') }, { sha256: hashOf('lost') }] };
        const release = { trustRootId: rootId, roots: [], versions: found, report, description };
        return release as unknown as VerifiedRelease<TrustRootId>;
      },
      clock: systemClock,
      limits: {},
      lost,
    },
    {
      path: '/nowhere',
      archiveHash: 'a'.repeat(64),
      allowExpired: archive.allowExpired ?? false,
      allowRollback: false,
      allowRevokedKeys: archive.allowRevokedKeys ?? false,
      recordedBefore: archive.recordedBefore ?? false,
    },
    { signal: new AbortController().signal },
  );
  return { request: asked[0]!, checked };
};

test('a new archive is held to expiry and to the versions remembered for each trust root, and moves them (B3)', async () => {
  const { request, checked } = await check({});
  expect(request).toMatchObject({ allowExpired: false, allowRollback: false });
  expect(request.trustedVersions).toEqual(new Map([[rootId, remembered]]));
  expect(request.trustRoots).toEqual([{ id: rootId, bytes: newRoot }]);
  expect(checked.move).toEqual({ roots: [], trustedVersions: found, forgetsVersions: false });
});

test('what an operator allowed is an override, told apart from what was checked (B3)', async () => {
  const { request, checked } = await check({ allowExpired: true });
  expect(request.allowExpired).toBe(true);
  expect(checked).toMatchObject({
    report: ['targets verified'],
    overrides: ['timestamp expired in 2001'],
  });
});

test.each([{ isRecorded: true }, { recordedBefore: true }])(
  'an archive that was recorded once is exempt from expiry and rollback, and moves no rollback state: %j (CA1, P3)',
  async archive => {
    const { request, checked } = await check(archive);
    expect(request).toMatchObject({ allowExpired: true, allowRollback: true });
    expect(request.trustRoots, 'any root of the chain may vouch for it').toEqual([
      { id: rootId, bytes: newRoot },
      { id: rootId, bytes: oldRoot },
    ]);
    expect(checked.move).toEqual({ roots: [], trustedVersions: null, forgetsVersions: false });
    expect(checked.overrides, 'nobody overrode anything').toEqual([]);
  },
);

test.each(['METADATA_EXPIRED', 'METADATA_ROLLBACK'] as const)(
  'an archive that brings back what the database lost and sleds hold is not refused with %s, and the audit says so (CA2)',
  async refusal => {
    const asked: VerifyRequest<TrustRootId>[] = [];
    const { checked } = await check({ refusal, lostSets: [['other'], ['wanted', 'lost', 'more']] }, asked);
    expect(asked.map(({ allowExpired, allowRollback }) => [allowExpired, allowRollback])).toEqual([
      [false, false],
      [true, true],
    ]);
    expect(checked.overrides).toEqual([expect.stringContaining('the database has lost this release')]);
    expect(checked.move, 'it moves no rollback state').toEqual({
      roots: [],
      trustedVersions: null,
      forgetsVersions: false,
    });
  },
);

test.each([
  ['nothing is lost', []],
  ['sleds were to hold only part of it', [['wanted'], ['lost', 'other']]],
])('an archive is refused for rollback as ever when %s (CA2)', async (_, lostSets) => {
  const refused = check({ refusal: 'METADATA_ROLLBACK', lostSets });
  await expect(refused).rejects.toMatchObject({ code: 'METADATA_ROLLBACK' });
});

test('a bad signature is refused, whether the release was lost or not', async () => {
  const asked: VerifyRequest<TrustRootId>[] = [];
  const refused = check({ refusal: 'METADATA_INVALID', lostSets: [['wanted', 'lost']] }, asked);
  await expect(refused).rejects.toMatchObject({ code: 'METADATA_INVALID' });
  expect(asked).toHaveLength(1);
});

test('an archive that is accepted anyway is not affected by lost points', async () => {
  const { checked } = await check({ lostSets: [['wanted', 'lost']] });
  expect(checked.move.trustedVersions).toEqual(found);
  expect(checked.overrides).toEqual(['timestamp expired in 2001']);
});

test('a deleted release needs a key that is trusted now, and is exempt from expiry and rollback under one (CA4, P3)', async () => {
  const { request, checked } = await check({ isDeleted: true });
  expect(request.trustRoots, 'only the newest root may vouch for it').toEqual([
    { id: rootId, bytes: newRoot },
  ]);
  expect(request).toMatchObject({ allowExpired: true, allowRollback: true });
  expect(checked.overrides).toEqual([]);
  expect(checked.move.trustedVersions).toBeNull();
});

test('a deleted release under revoked keys does not come back without an override, which the audit has (CA4)', async () => {
  const revoked = { isDeleted: true, isOfOldKeys: true };
  await expect(check(revoked)).rejects.toMatchObject({
    code: 'UNTRUSTED_SIGNATURES',
    message: expect.stringContaining('release 1.0.0 is deleted'),
    detail: { remedy: expect.stringContaining('--allow-revoked-keys') },
  });
  const { checked } = await check({ ...revoked, allowRevokedKeys: true });
  expect(checked.overrides).toEqual([expect.stringContaining('has revoked the keys that signed it')]);
  expect(checked.move, 'it moves no rollback state').toMatchObject({ trustedVersions: null });
});

test('the override of revoked keys is for deleted releases: a new one under them is refused (CA3)', async () => {
  await expect(check({ isOfOldKeys: true, allowRevokedKeys: true })).rejects.toMatchObject({
    code: 'UNTRUSTED_SIGNATURES',
  });
});

test('a present release under revoked keys is accepted as ever (P3)', async () => {
  const { checked } = await check({ isRecorded: true, isOfOldKeys: true });
  expect(checked.overrides).toEqual([]);
});
