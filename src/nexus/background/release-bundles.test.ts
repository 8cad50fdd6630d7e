import { expect, test } from 'vitest';
import { parseBundle } from '../../bundle/bundle.ts';
import { RepoId, SystemVersion, UploadId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { artifact, bundleNamed } from '../datastore/conformance/records.fixture.ts';
import type { BundleGap, NewBundle } from '../datastore/ports/release-port.ts';
import type { CheckedArchive } from '../releases/upload/check-archive.ts';
import { releaseBundles } from './release-bundles.ts';

const uuid = (n: number) => `00000002-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const gap = (n: number, hasBundle: boolean): BundleGap => ({
  repoId: RepoId.parse(uuid(n)),
  systemVersion: SystemVersion.parse(`${n}.0.0`),
  hasBundle,
});
const real = bundleNamed('as signed', { isCurrent: false });

const making = (gaps: readonly BundleGap[], held: readonly number[] = []) => {
  const inserted = new Map<string, NewBundle>();
  const checked: string[] = [];
  let verdict: () => Promise<string> = async () => '1.0.0';
  const task = releaseBundles({
    datastore: {
      bundleGaps: async () => gaps,
      bundleInsert: async (id, bundle) => {
        inserted.set(id, bundle);
        return true;
      },
      repoArtifacts: async () => ({ items: [artifact('a'), artifact('bb')], nextPage: undefined }),
    },
    staging: {
      held: () =>
        held.map(n => ({
          uploadId: UploadId.parse(uuid(100 + n)),
          repoId: RepoId.parse(uuid(n)),
          artifacts: new Map(),
        })),
    },
    directory: {
      filesOf: uploadId => ({ archive: `/staging/${uploadId}.zip`, sidecar: '', parts: '' }) as never,
    },
    async check({ path, recordedBefore }) {
      expect(recordedBefore).toBe(true);
      checked.push(path);
      const systemVersion = await verdict();
      return {
        release: { bundle: real, description: { systemVersion } },
        isCurrent: false,
      } as unknown as CheckedArchive;
    },
  });
  const activate = () =>
    task.activate({ reason: 'timeout', log: silentLogger, signal: new AbortController().signal });
  const answers = (next: typeof verdict) => {
    verdict = next;
  };
  return { inserted, checked, activate, answers };
};

test('a release from before gets a bundle of its artifacts, which no signature covers (RBT2)', async () => {
  const { inserted, activate } = making([gap(1, false)]);
  expect(await activate()).toMatchObject({ changed: true, summary: { signed: 0, exempt: 1 } });
  const bundle = inserted.get(uuid(1))!;
  expect(bundle).toMatchObject({ kind: 'unsigned', isCurrent: false });
  const { systemVersion, metadata, unsigned } = parseBundle(bundle.bytes);
  expect(systemVersion).toBe('1.0.0');
  expect(metadata.size).toBe(0);
  expect(unsigned).toEqual(
    new Map([
      [artifact('a').sha256, 1],
      [artifact('bb').sha256, 2],
    ]),
  );
});

test('one whose archive is here gets the real bundle from it, also after it had one of its artifacts', async () => {
  const { inserted, checked, activate } = making([gap(1, true)], [1]);
  expect(await activate()).toMatchObject({ changed: true, summary: { signed: 1, exempt: 0 } });
  expect(checked).toEqual([`/staging/${uuid(101)}.zip`]);
  expect(inserted.get(uuid(1))).toEqual(real);
});

test('an archive that does not verify leaves the release an exemption, and is not read again (RBT1)', async () => {
  const { inserted, checked, activate, answers } = making([gap(1, false)], [1]);
  answers(() => Promise.reject(new DepotError('UNTRUSTED_SIGNATURES', 'by other keys')));
  expect(await activate()).toMatchObject({ summary: { signed: 0, exempt: 1 } });
  expect(inserted.get(uuid(1))?.kind).toBe('unsigned');
  await activate();
  expect(checked).toHaveLength(1);
});

test.each(['DATABASE_UNAVAILABLE', 'NO_TRUST_ROOT'] as const)(
  'an archive that could not be verified, for %s, is tried again (RBT1)',
  async code => {
    const { inserted, activate, answers } = making([gap(1, true)], [1]);
    answers(() => Promise.reject(new DepotError(code, 'not now')));
    expect(await activate()).toMatchObject({ changed: false });
    answers(async () => '1.0.0');
    expect(await activate()).toMatchObject({ changed: true, summary: { signed: 1 } });
    expect(inserted.get(uuid(1))).toEqual(real);
  },
);

test('an archive of another release gives this one no bundle (RBT1)', async () => {
  const { inserted, activate, answers } = making([gap(1, true)], [1]);
  answers(async () => '2.0.0');
  expect(await activate()).toMatchObject({ changed: false });
  expect(inserted.size).toBe(0);
});

test('a release that has a bundle of its artifacts, and no archive here, is left as it is (RBT2)', async () => {
  const { inserted, activate } = making([gap(1, true)]);
  expect(await activate()).toMatchObject({ changed: false, summary: { without_metadata: 1 } });
  expect(inserted.size).toBe(0);
});
