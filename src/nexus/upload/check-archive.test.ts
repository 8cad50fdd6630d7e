import { expect, test } from 'vitest';
import { TrustRootId } from '../../core/ids.ts';
import { systemClock } from '../../lib/clock.ts';
import type { VerifiedRelease, VerifyRequest } from '../../verify/verified-release.ts';
import type { RepoRecord, TrustedVersions, TrustRootRecord } from '../datastore/datastore.ts';
import { checkArchive } from './check-archive.ts';

const rootId = TrustRootId.parse('00000001-0000-4000-8000-000000000001');
const remembered: TrustedVersions = { root: 1, timestamp: 7, snapshot: 7, targets: 7 };
const root = { id: rootId, rootBytes: new Uint8Array([2]), trustedVersions: remembered };
const [oldRoot, newRoot] = [new Uint8Array([1]), new Uint8Array([2])];
const found = { root: 1, timestamp: 9, snapshot: 9, targets: 9 };

/** What the verification is asked, and what is made of its answer. */
const check = async (archive: { isRecorded?: boolean; recordedBefore?: boolean; allowExpired?: boolean }) => {
  const asked: VerifyRequest[] = [];
  const checked = await checkArchive(
    {
      datastore: {
        repoGetByHash: async () => (archive.isRecorded ? ({} as RepoRecord) : undefined),
        trustRootList: async () => ({ items: [root as unknown as TrustRootRecord] }),
        trustRootChain: async () => [oldRoot, newRoot],
      },
      verifyRelease: async (_path, request) => {
        asked.push(request);
        const report = [
          { check: 'targets', text: 'targets verified' },
          { check: 'override', text: 'timestamp expired in 2001' },
        ];
        return { trustRootId: rootId, roots: [], versions: found, report } as unknown as VerifiedRelease;
      },
      clock: systemClock,
      limits: {},
    },
    {
      path: '/nowhere',
      archiveHash: 'a'.repeat(64),
      allowExpired: archive.allowExpired ?? false,
      allowRollback: false,
      recordedBefore: archive.recordedBefore ?? false,
    },
    { signal: new AbortController().signal },
  );
  return { request: asked[0]!, checked };
};

test('B3: a new archive is held to expiry and to the versions remembered for each trust root, and moves them', async () => {
  const { request, checked } = await check({});
  expect(request).toMatchObject({ allowExpired: false, allowRollback: false });
  expect(request.trustedVersions).toEqual(new Map([[rootId, remembered]]));
  expect(request.trustRoots).toEqual([{ id: rootId, bytes: newRoot }]);
  expect(checked.move).toEqual({ roots: [], trustedVersions: found, forgetsVersions: false });
});

test('B3: what an operator allowed is an override, told apart from what was checked', async () => {
  const { request, checked } = await check({ allowExpired: true });
  expect(request.allowExpired).toBe(true);
  expect(checked).toMatchObject({
    report: ['targets verified'],
    overrides: ['timestamp expired in 2001'],
  });
});

test.each([{ isRecorded: true }, { recordedBefore: true }])(
  'CA1, P3: an archive that was recorded once is exempt from expiry and rollback, and moves no rollback state: %j',
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
