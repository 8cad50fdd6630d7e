/** When a source is fetched again. */
import { expect, test } from 'vitest';
import { seededRng } from '../../core/rng.ts';
import { DEFAULT_PROGRESS } from '../../http/progress.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { SPECIFIED_SIGNATURES } from '../../tuf/signature-policy.ts';
import type { SourceConfig } from '../releases/source/source-config.ts';
import { createSources } from '../releases/source/sources.ts';
import type { SyncDeps } from '../releases/source/sync-source.ts';
import { createSourceSync } from './source-sync.ts';

const HOUR_MS = 3_600_000;
const config: SourceConfig = {
  name: 'vendor',
  metadataUrl: 'https://vendor.example/metadata',
  targetsUrl: 'https://vendor.example/targets',
  periodMs: HOUR_MS,
  proxy: undefined,
  caFile: undefined,
  maxBytes: 1_000_000,
  maxBytesPerSecond: undefined,
  progress: DEFAULT_PROGRESS,
};

/** The wait after a fetch that fails with this error. */
const waitAfter = async (error: DepotError): Promise<number | undefined> => {
  const deps: SyncDeps = {
    datastore: { trustRootList: async () => ({ items: [] }) } as unknown as SyncDeps['datastore'],
    directory: { path: '/nowhere' },
    space: { open: () => ({ release() {} }) } as unknown as SyncDeps['space'],
    capacity: {} as SyncDeps['capacity'],
    uploads: {} as SyncDeps['uploads'],
    fetchRelease: async () => {
      throw error;
    },
    signatures: SPECIFIED_SIGNATURES,
    clock: createTestClock(),
  };
  const task = createSourceSync({ ...deps, sources: createSources([config]), rng: seededRng(1) });
  const { signal } = new AbortController();
  return (await task.activate({ reason: 'timeout', log: silentLogger, signal })).againInMs;
};

test('a server that asks to wait is not asked before, and not later than in a period (SS2)', async () => {
  const asking = (seconds: number) =>
    new DepotError('PEER_BAD_ANSWER', 'status 503', { detail: { retry_after_secs: seconds } });
  expect(await waitAfter(new DepotError('PEER_BAD_ANSWER', 'status 503'))).toBeLessThan(60_000);
  expect(await waitAfter(asking(600))).toBe(600_000);
  expect(await waitAfter(asking(86_400))).toBe(HOUR_MS);
});
