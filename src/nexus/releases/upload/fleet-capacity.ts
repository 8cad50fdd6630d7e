/**
 * Checks whether the fleet has space for a release, before anything is recorded (S16).
 *
 * FC1. A release is refused when fewer than `minSledReplication` sleds could hold it and some sled is short of space. Sleds
 *      that have not registered yet are no reason: the release waits for them, and its status says so.
 * FC2. One full sled never causes a refusal (G8): only the number of sleds with space counts.
 * FC3. Artifacts that present releases list need no further space. Before the bytes are there, as many as possible are
 *      assumed to be shared, and some of the bytes to be metadata: a release that lost its copies must be accepted again
 *      while the sleds are nearly full.
 * FC4. Artifacts that no release lists count as room while sleds delete them by themselves, and take room while something
 *      keeps them (T4).
 *
 * A sled that does not report the space of its datasets counts as having some: its own answer decides later.
 */
import type { ArtifactHash } from '../../../core/ids.ts';
import type { DatasetHealth } from '../../../core/sled-report.ts';
import { DepotError } from '../../../lib/errors.ts';
import { inServiceRecords } from '../../datastore/in-service.ts';
import type { SledPort } from '../../datastore/ports/sled-port.ts';
import type { WantedSetPort } from '../../datastore/ports/wanted-set-port.ts';

/**
 * What of an archive's announced length is taken for metadata, which needs no room on sleds. Releases have much less; a
 * generous allowance costs no more than an upload that {@link FleetCapacity.checkRelease} refuses after its bytes.
 */
export const METADATA_ALLOWANCE_BYTES = 64 * 2 ** 20;

export type FleetCapacity = {
  /** From the announced length. Throws `FLEET_SPACE` with the numbers. */
  readonly checkAnnounced: (archiveBytes: number, options: { signal: AbortSignal }) => Promise<void>;
  /** From the verified artifacts, hash to length. Throws `FLEET_SPACE` with the numbers. */
  readonly checkRelease: (
    artifacts: ReadonlyMap<ArtifactHash, number>,
    options: { signal: AbortSignal },
  ) => Promise<void>;
};

type Deps = {
  readonly datastore: Pick<SledPort, 'sledList'> & Pick<WantedSetPort, 'wantedSet'>;
  readonly minSledReplication: number;
};

export const createFleetCapacity = ({ datastore, minSledReplication }: Deps): FleetCapacity => {
  const check = async (newBytes: number, presentBytes: number, signal: AbortSignal) => {
    const records = await inServiceRecords(datastore, signal);
    const sleds = records.map(({ info }) => info.datasets ?? []);
    const short = sleds.filter(
      datasets => newBytes > 0 && datasets.length > 0 && mostRoomBytes(datasets, presentBytes) < newBytes,
    );
    const couldHold = sleds.length - short.length;
    if (short.length === 0 || couldHold >= minSledReplication) return;
    const largestFreeBytes = Math.max(...short.map(datasets => mostRoomBytes(datasets, presentBytes)));
    throw new DepotError(
      'FLEET_SPACE',
      `the release needs ${newBytes} more bytes on each sled; ${couldHold} of ${sleds.length} sleds have space, ` +
        `${minSledReplication} are required, and the largest space on another sled is ${largestFreeBytes} bytes; ` +
        'delete a release, or raise the quota of the sleds',
      {
        detail: {
          needed_bytes: newBytes,
          sleds_with_room: couldHold,
          sleds_required: minSledReplication,
          largest_free_bytes: largestFreeBytes,
        },
      },
    );
  };

  return {
    async checkAnnounced(archiveBytes, { signal }) {
      const present = sum((await datastore.wantedSet({ signal })).artifacts.values());
      await check(Math.max(0, archiveBytes - METADATA_ALLOWANCE_BYTES - present), present, signal);
    },
    async checkRelease(artifacts, { signal }) {
      const present = (await datastore.wantedSet({ signal })).artifacts;
      const added = [...artifacts]
        .filter(([sha256]) => !present.has(sha256))
        .map(([, sizeBytes]) => sizeBytes);
      await check(sum(added), sum(present.values()), signal);
    },
  };
};

const sum = (numbers: Iterable<number>): number => {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
};

/** One dataset that can take everything is enough: one dataset written is a copy held. */
const mostRoomBytes = (datasets: readonly DatasetHealth[], presentBytes: number): number =>
  Math.max(
    0,
    ...datasets.map(dataset =>
      Math.min(
        freeBytesOf(dataset) + (dataset.reclaimableBytes ?? 0),
        (dataset.quotaBytes ?? Number.POSITIVE_INFINITY) - presentBytes - (dataset.retainedBytes ?? 0),
      ),
    ),
  );

const freeBytesOf = ({ state, freeBytes }: DatasetHealth): number => {
  switch (state) {
    case 'ok':
      return freeBytes ?? Number.POSITIVE_INFINITY;
    case 'full':
      return freeBytes ?? 0;
    case 'read_only':
    case 'missing':
    case 'failed':
      return 0;
    default:
      return state satisfies never;
  }
};
