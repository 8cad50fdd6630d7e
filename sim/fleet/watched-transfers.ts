/**
 * Counts the requests of a Nexus that move an artifact: no more than the configured number is in flight to one sled, those aside
 * that last so long that they keep a share of a place only (QU3). A transfer begins before its sled is told the prefix digests
 * (TRQ3), when they are read.
 */
import type { ArtifactHash } from '../../src/core/ids.ts';
import type { ReleasePort } from '../../src/nexus/datastore/ports/release-port.ts';
import type { SledConnection, SledTarget } from '../../src/sled-client/sled-connection.ts';
import type { Fail } from '../violation.ts';

/** QU3, of an artifact without a byte. */
const NEVER_OVERDUE_MS = 5_000;

type Watch = {
  readonly nexus: string;
  readonly mostToSled: number;
  readonly nowMs: () => number;
  readonly onTransfer: () => void;
  readonly fail: Fail;
};

export type TransferWatch = {
  readonly connection: <C extends SledConnection>(connection: C) => C;
  readonly datastore: <D extends Pick<ReleasePort, 'prefixDigests'>>(datastore: D) => D;
};

export const createTransferWatch = ({ nexus, mostToSled, nowMs, onTransfer, fail }: Watch): TransferWatch => {
  const reads = new Map<ArtifactHash, { readonly sinceMs: number; untilMs: number | undefined }>();
  /** Of a transfer that goes on now: since the read of its digests began, if it waited for one. */
  const sinceMsOf = (sha256: ArtifactHash): number => {
    const [now, read] = [nowMs(), reads.get(sha256)];
    return read?.untilMs === now ? read.sinceMs : now;
  };
  const underWay = new Map<string, Set<{ readonly sinceMs: number }>>();
  const toldMs = new Map<string, number>();
  const counted = async <T>(
    { serial }: SledTarget,
    { sha256 }: { readonly sha256: ArtifactHash },
    move: () => Promise<T>,
  ): Promise<T> => {
    const moves = underWay.get(serial) ?? new Set();
    underWay.set(serial, moves);
    const now = nowMs();
    const key = `${serial} ${sha256}`;
    const own = { sinceMs: toldMs.get(key) ?? sinceMsOf(sha256) };
    toldMs.delete(key);
    moves.add(own);
    onTransfer();
    const fresh = [...moves].filter(({ sinceMs }) => now - sinceMs <= NEVER_OVERDUE_MS).length;
    if (fresh > mostToSled) fail('bounds', `${nexus} moves ${fresh} artifacts to ${serial} at once`);
    try {
      return await move();
    } finally {
      moves.delete(own);
    }
  };
  return {
    connection: connection => ({
      ...connection,
      tellPrefixes(target, told, wait) {
        toldMs.set(`${target.serial} ${told.sha256}`, sinceMsOf(told.sha256));
        return connection.tellPrefixes(target, told, wait);
      },
      put: (target, artifact, wait) =>
        counted(target, artifact, () => connection.put(target, artifact, wait)),
      copy: (target, order, wait) => counted(target, order, () => connection.copy(target, order, wait)),
    }),
    datastore: datastore => ({
      ...datastore,
      async prefixDigests(hashes, wait) {
        const read: { readonly sinceMs: number; untilMs: number | undefined } = {
          sinceMs: nowMs(),
          untilMs: undefined,
        };
        for (const sha256 of hashes) reads.set(sha256, read);
        try {
          return await datastore.prefixDigests(hashes, wait);
        } finally {
          read.untilMs = nowMs();
        }
      },
    }),
  };
};
