import type { ArtifactHash } from '../../../../core/ids.ts';
import type { PrefixDigests } from '../../../../core/prefix-digests.ts';
import { batchesOf } from '../../paging.ts';
import type { ReleasePort } from '../../ports/release-port.ts';
import type { Transactions } from '../../transactions.ts';

/** Fewer than of other rows: each has 32 bytes for each MiB of its artifact. */
const BATCH_ROWS = 100;

export const prefixDigests =
  (transactions: Transactions): ReleasePort['prefixDigests'] =>
  (hashes, wait) =>
    transactions.read(
      'prefix_digests',
      async db => {
        const found = new Map<ArtifactHash, PrefixDigests>();
        for (const batch of batchesOf([...hashes], BATCH_ROWS)) {
          const rows = await db
            .selectFrom('tuf_artifact_prefix')
            .selectAll()
            .where('sha256', 'in', batch)
            .execute();
          for (const { sha256, unit_bytes, digests } of rows)
            found.set(sha256, { unitBytes: unit_bytes, digests });
        }
        return found;
      },
      wait,
    );
