/**
 * How many leases a sled grants: in all, to one holder, and to one other machine.
 *
 * LL1. Programs on the sled itself may have all of them, under several names. Other machines, which no program of the sled
 *      controls, leave half. Where a lease was taken is not on disk: after a restart it counts only in all, and to its holder.
 */
import { DepotError } from '../../../lib/errors.ts';
import type { Lease } from '../store.ts';

/** Each change writes the whole file: this many leases are 200 KiB, and more than a machine has consumers. */
export const MAX_LEASES = 1_024;
/** A holder has one for each artifact that it uses; a release has about 64. */
export const MAX_LEASES_OF_HOLDER = 256;
/** An installer elsewhere that uses all of one release. */
export const MAX_LEASES_OF_PEER = 64;
const MAX_LEASES_OF_PEERS = MAX_LEASES / 2;

export type Counted = Pick<Lease, 'holder'> & { readonly peer: string | undefined };

/** @throws `TOO_MANY_LEASES` for one more */
export const requireLeaseLeft = (inForce: readonly Counted[], { holder, peer }: Counted): void => {
  const count = (counts: (lease: Counted) => boolean): number => inForce.filter(counts).length;
  if (inForce.length >= MAX_LEASES) throw tooMany('this sled has', MAX_LEASES);
  if (holder !== undefined && count(lease => lease.holder === holder) >= MAX_LEASES_OF_HOLDER)
    throw tooMany(`the holder ${JSON.stringify(holder)} has`, MAX_LEASES_OF_HOLDER);
  if (peer === undefined) return;
  if (count(lease => lease.peer === peer) >= MAX_LEASES_OF_PEER)
    throw tooMany(`programs at ${peer} have`, MAX_LEASES_OF_PEER);
  if (count(lease => lease.peer !== undefined) >= MAX_LEASES_OF_PEERS)
    throw tooMany('programs on other machines have', MAX_LEASES_OF_PEERS);
};

const tooMany = (whoHas: string, limit: number): DepotError =>
  new DepotError('TOO_MANY_LEASES', `${whoHas} ${limit} leases on this sled, which is the limit`, {
    detail: { limit },
  });
