/** The memory of transfers that failed at their sled, by sled and artifact: M2, M4 and M5 of sled-memory.ts. */
import type { ArtifactHash, SledId } from '../../core/ids.ts';
import { type Backoff, type Pair, pairKey } from '../../core/plan/input.ts';
import type { Rng } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { type Failure, failAgain, isForRoom } from './failure.ts';

const TRANSFER_BACKOFF = { firstMs: 2_000, maxMs: 300_000 };
const STILL_SHORT = 'a copy has ended, and the artifact is still on fewer datasets than the sled has';

type FailedTransfer = Failure & Pair & Backoff;

export type TransferMemory = {
  readonly failed: (id: SledId, sha256: ArtifactHash, error: unknown) => void;
  readonly done: (id: SledId, sha256: ArtifactHash) => void;
  readonly recopyAccepted: (id: SledId, sha256: ArtifactHash) => void;
  /** M4, for the re-copies of one sled that are no longer in flight; `faults` are the messages of its datasets. */
  readonly recopiesEnded: (
    id: SledId,
    isInFlight: (sha256: ArtifactHash) => boolean,
    faults: readonly string[],
  ) => void;
  /** M5 */
  readonly roomMade: (id: SledId) => void;
  readonly backoff: () => ReadonlyMap<string, FailedTransfer>;
  readonly retain: (isKept: (pair: Pair) => boolean) => void;
};

export const createTransferMemory = (deps: { readonly clock: Clock; readonly rng: Rng }): TransferMemory => {
  const transfers = new Map<string, FailedTransfer>();
  const recopies = new Map<string, Pair>();

  const failed: TransferMemory['failed'] = (id, sha256, error) => {
    const key = pairKey(id, sha256);
    const failure = failAgain(deps, transfers.get(key), error, TRANSFER_BACKOFF);
    transfers.set(key, { ...failure, sledId: id, sha256 });
  };

  return {
    failed,
    done(id, sha256) {
      transfers.delete(pairKey(id, sha256));
      recopies.delete(pairKey(id, sha256));
    },
    recopyAccepted: (id, sha256) => void recopies.set(pairKey(id, sha256), { sledId: id, sha256 }),
    recopiesEnded(id, isInFlight, faults) {
      for (const [key, { sledId, sha256 }] of recopies) {
        if (sledId !== id || isInFlight(sha256)) continue;
        recopies.delete(key);
        const words = [STILL_SHORT, ...faults].join(': ');
        failed(id, sha256, new DepotError('NO_USABLE_DATASET', words));
      }
    },
    roomMade(id) {
      for (const [key, { sledId, code }] of transfers)
        if (sledId === id && isForRoom(code)) transfers.delete(key);
    },
    backoff: () => transfers,
    retain(isKept) {
      for (const pairs of [transfers, recopies]) {
        for (const [key, pair] of pairs) if (!isKept(pair)) pairs.delete(key);
      }
    },
  };
};
