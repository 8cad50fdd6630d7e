/** P11, at each unlink: a leased file is not unlinked before its lease was returned or has expired. */
import type { SimSled } from '../fleet/world.ts';
import type { Volume } from '../machine/volume.ts';
import type { Fail } from '../violation.ts';

const LEASES_FILE = 'leases.json';

type Taken = { readonly sha256: string; readonly untilMs: number };

export type LeaseChecker = {
  /** Acknowledged; it lasts until then at least. */
  readonly taken: (sled: SimSled, id: string, lease: Taken) => void;
  /** Its holder returns it, whether or not the request reaches the sled. */
  readonly returned: (sled: SimSled, id: string) => void;
  /** Disks of the sled were exchanged or are away: it knows the leases that are durable on the remaining ones. */
  readonly reread: (sled: SimSled, left: Iterable<Volume>) => void;
  readonly of: (sled: SimSled) => readonly (readonly [string, Taken])[];
  readonly onUnlink: (sled: SimSled, sha256: string) => void;
};

/** Whether leases were written into the mount point below this volume. */
export const hidesLeases = ({ medium }: Volume): boolean => medium.mountPoint.now.has(LEASES_FILE);

export const createLeaseChecker = (nowMs: () => number, fail: Fail): LeaseChecker => {
  const leases = new Map<SimSled, Map<string, Taken>>();
  return {
    taken(sled, id, lease) {
      leases.set(sled, (leases.get(sled) ?? new Map()).set(id, lease));
    },
    returned: (sled, id) => void leases.get(sled)?.delete(id),
    reread(sled, left) {
      const files = [...left].map(({ medium }) => medium.top.durable.get(LEASES_FILE));
      const text = files
        .map(node => (node?.kind === 'file' ? Buffer.from(node.durable).toString() : ''))
        .join();
      for (const id of leases.get(sled)?.keys() ?? []) if (!text.includes(id)) leases.get(sled)!.delete(id);
    },
    of: sled => [...(leases.get(sled) ?? [])],
    onUnlink(sled, sha256) {
      for (const [id, lease] of leases.get(sled) ?? [])
        if (lease.sha256 === sha256 && nowMs() < lease.untilMs)
          fail('G2', `${sled.plan.serial} unlinked ${sha256}, on which lease ${id} is in force`);
    },
  };
};
