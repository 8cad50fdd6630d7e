/**
 * Counts the requests of a Nexus that move an artifact: no more than the configured number is in flight to one sled, those aside
 * that last so long that they keep a share of a place only (QU3). A transfer begins when its sled is told the prefix digests (TRQ3).
 */
import type { ArtifactHash } from '../../src/core/ids.ts';
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

export const watchTransfers = <C extends SledConnection>(
  connection: C,
  { nexus, mostToSled, nowMs, onTransfer, fail }: Watch,
): C => {
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
    const own = { sinceMs: toldMs.get(key) ?? now };
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
    ...connection,
    tellPrefixes(target, told, wait) {
      toldMs.set(`${target.serial} ${told.sha256}`, nowMs());
      return connection.tellPrefixes(target, told, wait);
    },
    put: (target, artifact, wait) => counted(target, artifact, () => connection.put(target, artifact, wait)),
    copy: (target, order, wait) => counted(target, order, () => connection.copy(target, order, wait)),
  };
};
