/**
 * The temporary files of one write, one per dataset ("lane"), all written at the same time.
 *
 * LA1. A lane that fails is dropped and the others go on; one complete lane is success (ST5).
 * LA2. Every write has its own temporary files, so writers of one hash do not affect each other.
 * LA3. A lane whose dataset went away after it was opened is void, even if the dataset returned (DS1).
 * LA4. Writes that end together share the sync of their names, and each counts only after one that began after its rename.
 */
import type { ArtifactHash } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import { type Disk, type DiskFile, systemErrorIs, unlinkIfThere } from '../../../lib/disk.ts';
import { isFull } from '../../../lib/disk-errors.ts';
import { sealFile, temporaryPathFor } from '../../../lib/durable-file.ts';
import type { Logger } from '../../../lib/log.ts';
import { forgetMarks, markRight } from '../dataset/copy-marks.ts';
import type { Dataset } from '../dataset/dataset.ts';
import { type Refusal, refusedByAll } from '../dataset/refused-by-all.ts';
import { RESERVATION_STEP_BYTES, type Reservation } from '../dataset/space.ts';

export type Lanes = {
  /** How many go on. */
  readonly live: () => number;
  /** Throws `NO_SPACE` or `NO_USABLE_DATASET` when none goes on. */
  readonly require: () => void;
  /** Never rejects, like the others: a failure drops the lane. */
  readonly write: (chunk: Uint8Array, position: number) => Promise<void>;
  readonly sync: () => Promise<void>;
  /** Gives each file its final name, durably. Called under the lock of the hash. */
  readonly name: (sizeBytes: number) => Promise<void>;
  /** Those that go on, for readers of an arriving artifact (ARV2). */
  readonly files: () => readonly LaneFile[];
  /** Removes the files without a final name. */
  readonly discard: () => Promise<void>;
};

/** What one lane has written so far. */
export type LaneFile = {
  /** Stays the same when the file gets its final name. */
  readonly key: string;
  readonly path: string;
  /** Without a gap, from the beginning. */
  readonly writtenBytes: number;
  readonly onReadFailure: (error: unknown) => void;
};

type Lane = {
  readonly dataset: Dataset;
  readonly session: number;
  readonly temporaryPath: string;
  readonly file: DiskFile;
  readonly reservation: Reservation;
  readonly written: WrittenPrefix;
  isDropped: boolean;
  isOpen: boolean;
  isNamed: boolean;
};

/**
 * Deletes artifacts of a dataset that wait for their deletion, if that frees enough space for so many bytes; false when
 * it does not.
 */
export type MakeRoom = (dataset: Dataset, bytes: number) => Promise<boolean>;

export type LanesDependencies = {
  readonly disk: Disk;
  /** Of the sled. */
  readonly datasets: readonly Dataset[];
  readonly usable: readonly Dataset[];
  readonly makeRoom: MakeRoom;
  readonly clock: Clock;
  readonly log: Logger;
  /** The maximum length of the artifact. */
  readonly limitBytes: number;
};

/** Opens a lane on each usable dataset. */
export const openLanes = async (
  { disk, datasets, usable, makeRoom, clock, log, limitBytes }: LanesDependencies,
  sha256: ArtifactHash,
  sizeBytes: number | undefined,
): Promise<Lanes> => {
  const lanes: Lane[] = [];
  const withRoom = withRoomMade(makeRoom);
  const refusals: Refusal[] = [];
  const note = (dataset: Dataset, error: unknown, during: string): void => {
    refusals.push({ dataset, error });
    log.warn({ err: error, sha256, dataset: dataset.path }, 'dataset dropped from a write');
    dataset.reportFailure(error, during);
  };
  const drop = (lane: Lane, error: unknown, during: string): void => {
    if (lane.isDropped) return;
    lane.isDropped = true;
    if (isVoid(lane)) refusals.push({ dataset: lane.dataset, error });
    else note(lane.dataset, error, during);
  };
  const live = (): Lane[] => lanes.filter(lane => !lane.isDropped);
  const onEach = async (during: string, step: (lane: Lane) => Promise<void>): Promise<void> => {
    await Promise.all(live().map(lane => step(lane).catch(error => drop(lane, error, during))));
  };
  await Promise.all(
    usable.map(dataset =>
      openLane(disk, dataset, sha256, { sizeBytes, withRoom }).then(
        lane => lanes.push(lane),
        error => note(dataset, error, 'create a file in it'),
      ),
    ),
  );
  return {
    live: () => live().length,
    require() {
      if (live().length === 0) throw refusedByAll(sha256, refusals, datasets);
    },
    write: (chunk, position) =>
      onEach(`write ${sha256}`, async ({ dataset, file, reservation, written }) => {
        const needBytes = position + chunk.length;
        if (needBytes > reservation.bytes()) {
          const target = Math.min(limitBytes, needBytes + RESERVATION_STEP_BYTES);
          await withRoom(dataset, target - reservation.bytes(), () => reservation.growTo(target));
        }
        await file.write(chunk, position);
        reservation.wrote(chunk.length);
        written.add(position, chunk.length);
      }),
    sync: () =>
      onEach(`make ${sha256} durable`, async lane => {
        lane.isOpen = false;
        await sealFile(lane.file);
      }),
    files: () =>
      live()
        .filter(lane => !isVoid(lane) && lane.dataset.isReadable())
        .map(lane => laneFile(lane, sha256)),
    name: length => onEach(`name ${sha256}`, lane => nameLane({ disk, clock }, lane, sha256, length)),
    discard: async () => {
      await Promise.all(lanes.map(lane => discardLane(disk, lane)));
    },
  };
};

const isVoid = ({ dataset, session }: Lane): boolean => session !== dataset.session();

const laneFile = (lane: Lane, sha256: ArtifactHash): LaneFile => ({
  key: lane.temporaryPath,
  path: lane.isNamed ? lane.dataset.pathOf(sha256) : lane.temporaryPath,
  writtenBytes: lane.written.bytes(),
  onReadFailure: error => {
    if (!isVoid(lane)) lane.dataset.reportFailure(error, `read ${sha256} while it arrives`);
  },
});

type WrittenPrefix = {
  readonly add: (position: number, length: number) => void;
  readonly bytes: () => number;
};

/** Chunks are written in any order. */
const createWrittenPrefix = (): WrittenPrefix => {
  const ahead = new Map<number, number>();
  let bytes = 0;
  return {
    add(position, length) {
      if (length > 0) ahead.set(position, length);
      for (let next = ahead.get(bytes); next !== undefined; next = ahead.get(bytes)) {
        ahead.delete(bytes);
        bytes += next;
      }
    },
    bytes: () => bytes,
  };
};

const openLane = async (
  disk: Disk,
  dataset: Dataset,
  sha256: ArtifactHash,
  { sizeBytes, withRoom }: { readonly sizeBytes: number | undefined; readonly withRoom: WithRoom },
): Promise<Lane> => {
  const session = dataset.session();
  await dataset.requirePresent();
  const bytes = sizeBytes ?? 0;
  const reservation = await withRoom(dataset, bytes, () => dataset.space.reserve(bytes));
  const temporaryPath = temporaryPathFor(dataset.pathOf(sha256));
  try {
    const file = await disk.createFile(temporaryPath);
    const progress = { isDropped: false, isOpen: true, isNamed: false };
    const written = createWrittenPrefix();
    return { dataset, session, temporaryPath, file, reservation, written, ...progress };
  } catch (error) {
    reservation.release();
    throw error;
  }
};

type WithRoom = <T>(dataset: Dataset, bytes: number, take: () => Promise<T>) => Promise<T>;

/** Wanted artifacts have priority over evidence, and then over what waits for its deletion. */
const withRoomMade =
  (makeRoom: MakeRoom): WithRoom =>
  async (dataset, bytes, take) => {
    for (;;) {
      try {
        return await take();
      } catch (error) {
        if (!isFull(error)) throw error;
        if (!(await dataset.letEvidenceGo(bytes)) && !(await makeRoom(dataset, bytes))) throw error;
      }
    }
  };

const nameLane = async (
  { disk, clock }: Pick<LanesDependencies, 'disk' | 'clock'>,
  lane: Lane,
  sha256: ArtifactHash,
  sizeBytes: number,
): Promise<void> => {
  const { dataset, temporaryPath } = lane;
  if (!dataset.isWritable() || isVoid(lane)) throw wentAway(dataset);
  const finalPath = dataset.pathOf(sha256);
  const formerBytes = await disk.sizeOf(finalPath);
  const isRotten = formerBytes !== undefined && formerBytes !== sizeBytes;
  // Evidence of rot is kept; replacing a good copy by another one loses nothing.
  if (isRotten) await dataset.setAside(sha256, `has ${formerBytes} bytes instead of ${sizeBytes}`);
  dataset.marks.unsynced.add(sha256);
  try {
    await disk.rename(temporaryPath, finalPath);
  } catch (error) {
    dataset.marks.unsynced.delete(sha256);
    throw error;
  }
  lane.isNamed = true;
  forgetMarks(dataset, sha256);
  markRight(dataset, sha256, clock);
  dataset.space.change(isRotten ? sizeBytes : sizeBytes - (formerBytes ?? 0));
  // Until then, and after a failure, the name is in doubt.
  await dataset.syncNames();
  if (!dataset.isReadable() || isVoid(lane)) throw wentAway(dataset);
  dataset.marks.unsynced.delete(sha256);
};

/** LA3 */
const wentAway = ({ path }: Dataset): Error => new Error(`dataset ${path} went away during the write`);

const discardLane = async (disk: Disk, lane: Lane): Promise<void> => {
  lane.reservation.release();
  if (lane.isOpen) await lane.file.close().catch(() => undefined);
  lane.isOpen = false;
  if (lane.isNamed) return;
  await removeUnfinished(disk, lane).catch((error: unknown) => {
    // The next admission of the dataset removes it; otherwise it would take space that does not count.
    if (!isVoid(lane) && lane.dataset.isWritable())
      lane.dataset.reportFailure(error, 'remove an unfinished file');
  });
};

const removeUnfinished = async (disk: Disk, { dataset, temporaryPath }: Lane): Promise<void> => {
  try {
    await disk.unlink(temporaryPath);
  } catch (error) {
    if (!systemErrorIs(error, 'ENOENT')) throw error;
    // Gone, or out of sight with its disk.
    await dataset.requirePresent();
    await unlinkIfThere(disk, temporaryPath);
  }
};
