/**
 * Leases: a leased file stays after a config has dropped it, until the lease is returned or expires (B6, P11).
 *
 *     PUT ─▶ under the lock of the hash { held? ─▶ leases.json on every dataset } ─▶ acknowledge
 *     the last lease of an artifact ends ─▶ deletion pass
 *
 * LE1. A lease is durable before it is acknowledged, and so is its return.
 * LE2. It is granted under the lock of its hash and only for a held file: either the lease is first and the file stays,
 *      or the unlink is first and there is no lease (P2).
 * LE3. Terms run on the monotonic clock. A restart cannot know how long it took, so that each lease found on disk
 *      has its full term again: a file may be kept too long, but is never deleted too early.
 * LE4. The union of all datasets' files counts, and each is read before the dataset's artifacts may be touched: a dataset
 *      that was away keeps its leases. A lease that this process saw end stays ended.
 * LE5. If all files of leases are damaged, everything counts as leased for the longest term.
 */
import type { ArtifactHash, LeaseId } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Disk } from '../../../lib/disk.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import { createAlarm } from '../alarm.ts';
import type { Dataset, Inspection } from '../dataset/dataset.ts';
import { createKeyedLock, type KeyedLock } from '../locks.ts';
import type { Lease, LeaseInForce } from '../store.ts';
import { createLeaseBook, type LeaseBook } from './lease-book.ts';
import { requireLeaseLeft } from './lease-limits.ts';
import { repairLeasesFiles, writeLeasesFiles } from './leases-copies.ts';

export type Leases = AsyncDisposable &
  Pick<LeaseBook, 'of' | 'inUse' | 'total'> & {
    /** Reads the leases of datasets that are about to be admitted. */
    readonly learn: (joining: readonly { dataset: Dataset; inspection: Inspection }[]) => void;
    /** Rewrites a damaged or stale file. */
    readonly repair: () => Promise<void>;
    readonly take: (lease: Lease, peer?: string) => Promise<LeaseInForce>;
    readonly giveBack: (sha256: ArtifactHash, id: LeaseId) => Promise<void>;
  };

export type LeasesDependencies = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly byHash: KeyedLock;
  readonly isHeld: (sha256: ArtifactHash) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
  /** The last lease of an artifact has ended. */
  readonly onEnd: (reason: string) => void;
};

export const createLeases = (deps: LeasesDependencies): Leases => {
  const { disk, datasets, byHash, clock, log, onEnd } = deps;
  const queue = createKeyedLock();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => queue('leases', work);
  const book = createLeaseBook(clock);
  const alarm = createAlarm(clock, book.nextEndMs, () => {
    inTurn(expire).catch(error => log.error({ err: error }, 'expired leases stay on disk'));
  });

  const expire = async (): Promise<void> => {
    const { leases, everything } = book.expire();
    alarm.set();
    for (const { sha256, id, holder } of leases) log.info({ sha256, lease_id: id, holder }, 'lease expired');
    if (leases.length === 0 && !everything) return;
    try {
      await writeLeasesFiles(disk, datasets, book.content());
    } finally {
      onEnd('a lease expired');
    }
  };
  const take = async (lease: Lease, peer: string | undefined): Promise<LeaseInForce> => {
    const before = book.find(lease.sha256, lease.id);
    if (before === undefined) requireLeaseLeft(book.counted(), { holder: lease.holder, peer });
    if (before === undefined && !(await deps.isHeld(lease.sha256))) throw notHeld(lease.sha256); // LE2
    // LE1; a renewal changes nothing on disk, which has only the term (LE3).
    const isOnDisk = before?.termMs === lease.termMs && before.holder === lease.holder;
    if (!isOnDisk) await writeLeasesFiles(disk, datasets, book.content({ with: lease }));
    const granted = book.put(lease, peer);
    alarm.set();
    return granted;
  };

  return {
    of: book.of,
    inUse: book.inUse,
    total: book.total,
    learn(joining) {
      const reads = joining.map(({ inspection }) => inspection.leases);
      for (const read of reads) book.learn(read);
      const isLost =
        reads.some(({ kind }) => kind === 'damaged') && reads.every(({ kind }) => kind !== 'whole');
      const isToldLost = reads.some(read => read.kind === 'whole' && read.body.everything);
      // LE5, unless this process has the leases of a dataset already: a returning file has no more than these.
      if ((isLost || isToldLost) && !datasets.some(each => each.isReadable())) {
        book.holdEverything();
        log.error({}, 'leases were lost: nothing is deleted for the longest term of a lease');
      }
      alarm.set();
    },
    repair: () => inTurn(() => repairLeasesFiles(disk, datasets, book.content(), log)),
    take: (lease, peer) => byHash(lease.sha256, () => inTurn(() => take(lease, peer))),
    giveBack: (sha256, id) =>
      inTurn(async () => {
        const lease = book.find(sha256, id);
        if (lease === undefined) return;
        await writeLeasesFiles(disk, datasets, book.content({ without: lease })); // LE1
        book.end(lease);
        alarm.set();
        onEnd('a lease was returned');
      }),
    async [Symbol.asyncDispose]() {
      alarm[Symbol.dispose]();
      await inTurn(async () => undefined);
    },
  };
};

const notHeld = (sha256: ArtifactHash): DepotError =>
  new DepotError('ARTIFACT_NOT_HELD', `this sled has no whole copy of ${sha256} to lease`, {
    detail: { sha256 },
  });
