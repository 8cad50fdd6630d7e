import { expect, test } from 'vitest';
import { ArtifactHash, SledId } from '../../core/ids.ts';
import { openDepot } from '../connection/depot-client.ts';
import { SLED, serveTestNexus, TEST_TOKEN, TIME } from '../nexus.fixture.ts';
import { countTransfers } from './transfers.ts';

const A = ArtifactHash.parse('aa'.repeat(32));
const B = ArtifactHash.parse('bb'.repeat(32));
const OTHER_SLED = SledId.parse('00000000-0000-4000-8000-000000000002');

test('an artifact put by Nexus counts once per sled and only when it arrived; the rest came from other sleds', async () => {
  const put = (hash: ArtifactHash, target_sled: SledId, error?: string) => ({
    time: TIME,
    target_sled,
    operation: 'put' as const,
    hash,
    elapsed_ms: 1,
    ...(error !== undefined && { error }),
  });
  const requests = [put(A, SLED, 'cut'), put(A, SLED), put(A, SLED), put(B, OTHER_SLED), put(B, SLED, 'cut')];
  await using nexus = await serveTestNexus({
    debug: {
      bgtaskView: async () => ({
        name: 'tuf_artifact_replication',
        description: '',
        period: { secs: 60, nanos: 0 },
        current: { current_status: 'idle' },
        last: {
          last_result: 'completed',
          details: {
            iteration: 1,
            reason: 'signaled',
            start_time: TIME,
            elapsed: { secs: 0, nanos: 0 },
            details: { request_debug_ringbuf: requests },
          },
        },
      }),
    },
  });
  await using depot = openDepot(
    { url: nexus.url, token: TEST_TOKEN, trust: undefined },
    { signal: new AbortController().signal },
  );
  const artifacts = [
    { sha256: A, sizeBytes: 100, targetName: 'a' },
    { sha256: B, sizeBytes: 10, targetName: 'b' },
  ];
  expect(await countTransfers([depot], artifacts, 2)).toEqual({ byNexusBytes: 110, byPeersBytes: 110 });
});
