/**
 * Counts the requests of a Nexus that move an artifact: at most twice the configured number is in flight to one sled.
 *
 * Twice, because a round knows the copies in flight only by the sled's last list, and may overlap the round before.
 */
import type { SledConnection, SledTarget } from '../../src/sled-client/sled-connection.ts';
import type { Fail } from '../violation.ts';

type Watch = {
  readonly nexus: string;
  readonly mostToSled: number;
  readonly onTransfer: () => void;
  readonly fail: Fail;
};

export const watchTransfers = <C extends SledConnection>(
  connection: C,
  { nexus, mostToSled, onTransfer, fail }: Watch,
): C => {
  const underWay = new Map<string, number>();
  const counted = async <T>({ serial }: SledTarget, move: () => Promise<T>): Promise<T> => {
    const count = (underWay.get(serial) ?? 0) + 1;
    underWay.set(serial, count);
    onTransfer();
    if (count > 2 * mostToSled) fail('bounds', `${nexus} moves ${count} artifacts to ${serial} at once`);
    try {
      return await move();
    } finally {
      underWay.set(serial, underWay.get(serial)! - 1);
    }
  };
  return {
    ...connection,
    put: (target, artifact, wait) => counted(target, () => connection.put(target, artifact, wait)),
    copy: (target, artifact, wait) => counted(target, () => connection.copy(target, artifact, wait)),
  };
};
