/**
 * One artifact on its way in: the bytes are hashed once and written to every usable dataset at the same time.
 *
 *     begin: config, length, space ─▶ write …: a temporary file per dataset ("lane") ─▶ commit: length, hash,
 *     fsync ─▶ under the lock of this hash { still wanted? ─▶ rename ─▶ fsync the directory } ─▶ acknowledge
 *
 * W1. A lane that fails is dropped and the others go on; one that arrives is success (ST5).
 * W2. Every write has temporary files of its own, so writers of one hash cannot touch each other.
 * W3. The generation must match at the start; at the end the hash need only be wanted, so that an upload
 *     elsewhere does not kill a long transfer (P2).
 * W4. A file that exists is no reason to skip the rename: it may be about to be deleted, or rotten (P2).
 */
import { createHash } from 'node:crypto';
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { ArtifactHash, Generation } from '../../core/ids.ts';
import { temporaryPathFor } from '../../lib/durable-file.ts';
import { DepotError, errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { awaitingFloor } from './config-keeper.ts';
import type { Dataset } from './dataset.ts';
import { type Disk, type DiskFile, systemErrorIs } from './disk.ts';
import type { KeyedLock } from './locks.ts';
import { RESERVATION_STEP_BYTES, type Reservation } from './space.ts';
import type { ArtifactWriter, StoreState, WriteResult } from './store.ts';

export type WriterDependencies = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly state: () => StoreState;
  readonly config: () => ArtifactConfig | undefined;
  readonly byHash: KeyedLock;
  readonly maxArtifactBytes: number;
  /** The writers that have not ended, for whoever closes the store. */
  readonly open: Set<ArtifactWriter>;
  readonly log: Logger;
};

type Lane = {
  readonly dataset: Dataset;
  readonly session: number;
  readonly temporaryPath: string;
  readonly file: DiskFile;
  readonly reservation: Reservation;
  fault: unknown;
  isOpen: boolean;
  isNamed: boolean;
};

export const beginWrite = async (
  deps: WriterDependencies,
  sha256: ArtifactHash,
  generation: Generation,
  { expectedSizeBytes }: { expectedSizeBytes?: number | undefined } = {},
): Promise<ArtifactWriter> => {
  const sizeBytes = admitWrite(deps, sha256, generation, expectedSizeBytes);
  const targets = deps.datasets.filter(each => each.isWritable());
  const lanes: Lane[] = [];
  const faults: unknown[] = [];
  await Promise.all(
    targets.map(async dataset => {
      try {
        lanes.push(await openLane(deps.disk, dataset, sha256, sizeBytes));
      } catch (error) {
        faults.push(error);
        noteFault(deps.log, dataset, sha256, error, 'create a file in it');
      }
    }),
  );
  if (lanes.length === 0) throw nothingTookIt(sha256, faults);
  return createWriter(deps, { sha256, sizeBytes, lanes, faults, datasets: targets.length });
};

/** Whether the write may begin; returns its length where that is known. */
const admitWrite = (
  { state, config, maxArtifactBytes }: WriterDependencies,
  sha256: ArtifactHash,
  generation: Generation,
  expectedSizeBytes: number | undefined,
): number | undefined => {
  const now = state();
  if (now.kind !== 'ready') throw awaitingFloor(now.reason);
  const current = config();
  if (current === undefined)
    throw new DepotError('NO_ARTIFACT_CONFIG', 'this sled was not told yet what to hold');
  if (current.generation !== generation) {
    throw new DepotError(
      'ARTIFACT_GENERATION',
      `the write is for generation ${generation}, and this sled is at ${current.generation}`,
      { detail: { offered: generation, held: current.generation } },
    );
  }
  if (!current.artifacts.has(sha256)) throw notInConfig(sha256, current.generation);
  const knownSizeBytes = current.artifacts.get(sha256);
  if (knownSizeBytes !== undefined && expectedSizeBytes !== undefined && knownSizeBytes !== expectedSizeBytes)
    throw wrongLength(sha256, knownSizeBytes, expectedSizeBytes);
  const sizeBytes = knownSizeBytes ?? expectedSizeBytes;
  if (sizeBytes !== undefined && sizeBytes > maxArtifactBytes) throw tooLarge(sha256, maxArtifactBytes);
  return sizeBytes;
};

const openLane = async (
  disk: Disk,
  dataset: Dataset,
  sha256: ArtifactHash,
  sizeBytes: number | undefined,
): Promise<Lane> => {
  const session = dataset.session();
  const reservation = await dataset.space.reserve(sizeBytes ?? 0);
  const temporaryPath = temporaryPathFor(dataset.pathOf(sha256));
  try {
    const file = await disk.createFile(temporaryPath);
    return {
      dataset,
      session,
      temporaryPath,
      file,
      reservation,
      fault: undefined,
      isOpen: true,
      isNamed: false,
    };
  } catch (error) {
    reservation.release();
    throw error;
  }
};

type Write = {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number | undefined;
  readonly lanes: readonly Lane[];
  readonly faults: unknown[];
  readonly datasets: number;
};

const createWriter = (deps: WriterDependencies, write: Write): ArtifactWriter => {
  const { sha256, sizeBytes, lanes, faults, datasets } = write;
  const limitBytes = Math.min(deps.maxArtifactBytes, sizeBytes ?? Number.POSITIVE_INFINITY);
  const hash = createHash('sha256');
  const outstanding = new Set<Promise<void>>();
  let receivedBytes = 0;
  let refused: DepotError | undefined;
  let end: Promise<void> | undefined;

  const drop = (lane: Lane, error: unknown, during: string): void => {
    if (lane.fault !== undefined) return;
    lane.fault = error;
    faults.push(error);
    if (lane.session === lane.dataset.session()) noteFault(deps.log, lane.dataset, sha256, error, during);
  };
  const live = (): Lane[] => lanes.filter(lane => lane.fault === undefined);
  const requireLane = (): void => {
    if (live().length === 0) throw nothingTookIt(sha256, faults);
  };

  const append = async (chunk: Uint8Array, position: number): Promise<void> => {
    const writes = live().map(async lane => {
      try {
        const needBytes = position + chunk.length;
        if (needBytes > lane.reservation.bytes())
          await lane.reservation.growTo(Math.min(limitBytes, needBytes + RESERVATION_STEP_BYTES));
        await lane.file.write(chunk, position);
        lane.reservation.wrote(chunk.length);
      } catch (error) {
        drop(lane, error, `write ${sha256}`);
      }
    });
    hash.update(chunk); // while the disks are at work
    await Promise.all(writes);
    requireLane();
  };

  const settle = async (): Promise<void> => {
    while (outstanding.size > 0) await Promise.allSettled(outstanding);
  };

  const verify = (): void => {
    if (refused !== undefined) throw refused;
    if (sizeBytes !== undefined && receivedBytes !== sizeBytes)
      throw wrongLength(sha256, sizeBytes, receivedBytes);
    const actual = hash.digest('hex');
    if (actual === sha256) return;
    throw new DepotError(
      'ARTIFACT_HASH_MISMATCH',
      `the ${receivedBytes} bytes sent for ${sha256} have hash ${actual}`,
      { detail: { expected: sha256, actual, receivedBytes } },
    );
  };

  const finish = async (): Promise<WriteResult> => {
    await settle();
    verify();
    await Promise.all(
      live().map(lane => syncLane(lane).catch(error => drop(lane, error, `make ${sha256} durable`))),
    );
    requireLane();
    await deps.byHash(sha256, async () => {
      const current = deps.config();
      if (!current?.artifacts.has(sha256)) throw notInConfig(sha256, current?.generation);
      await Promise.all(
        live().map(lane =>
          nameLane(deps.disk, lane, sha256, receivedBytes).catch(error =>
            drop(lane, error, `name ${sha256}`),
          ),
        ),
      );
    });
    requireLane();
    return { datasets, successful_writes: live().length };
  };

  const discard = async (): Promise<void> => {
    await settle();
    await Promise.all(lanes.map(lane => discardLane(deps.disk, lane)));
    deps.open.delete(writer);
  };

  const abort = (): Promise<void> => {
    end ??= discard();
    return end;
  };

  const writer: ArtifactWriter = {
    write(chunk) {
      if (end !== undefined) return Promise.reject(new Error(`the write of ${sha256} has ended`));
      if (receivedBytes + chunk.length > limitBytes) {
        refused ??=
          sizeBytes === undefined
            ? tooLarge(sha256, limitBytes)
            : wrongLength(sha256, sizeBytes, receivedBytes + chunk.length);
      }
      if (refused !== undefined) return Promise.reject(refused);
      const appended = append(chunk, receivedBytes);
      receivedBytes += chunk.length;
      outstanding.add(appended);
      const done = () => outstanding.delete(appended);
      appended.then(done, done);
      return appended;
    },
    async commit() {
      if (end !== undefined) throw new Error(`the write of ${sha256} has ended`);
      const result = finish();
      // Whoever aborts or disposes meanwhile waits for the commit, and undoes nothing of it.
      end = result.then(discard, discard);
      await end;
      return result;
    },
    abort,
    [Symbol.asyncDispose]: abort,
  };
  deps.open.add(writer);
  return writer;
};

const syncLane = async (lane: Lane): Promise<void> => {
  await lane.file.sync();
  lane.isOpen = false;
  await lane.file.close();
};

const nameLane = async (disk: Disk, lane: Lane, sha256: ArtifactHash, sizeBytes: number): Promise<void> => {
  const { dataset, temporaryPath } = lane;
  if (!dataset.isWritable() || lane.session !== dataset.session())
    throw new Error(`dataset ${dataset.path} went away during the write`);
  const finalPath = dataset.pathOf(sha256);
  const formerSizeBytes = await disk.sizeOf(finalPath);
  const isRotten = formerSizeBytes !== undefined && formerSizeBytes !== sizeBytes;
  // Evidence of rot is kept; that a good copy is replaced by another one loses nothing.
  if (isRotten) await dataset.setAside(sha256, `has ${formerSizeBytes} bytes instead of ${sizeBytes}`);
  await disk.rename(temporaryPath, finalPath);
  lane.isNamed = true;
  dataset.space.change(isRotten ? sizeBytes : sizeBytes - (formerSizeBytes ?? 0));
  await disk.syncDirectory(dataset.path);
};

const discardLane = async (disk: Disk, lane: Lane): Promise<void> => {
  lane.reservation.release();
  if (lane.isOpen) await lane.file.close().catch(() => undefined);
  lane.isOpen = false;
  if (!lane.isNamed) await disk.unlink(lane.temporaryPath).catch(() => undefined); // or at the next start
};

const noteFault = (
  log: Logger,
  dataset: Dataset,
  sha256: ArtifactHash,
  error: unknown,
  during: string,
): void => {
  log.warn({ err: error, sha256, dataset: dataset.path }, 'dataset dropped from a write');
  dataset.reportFailure(error, during);
};

const isFull = (error: unknown): boolean =>
  errorCodeOf(error) === 'NO_SPACE' || systemErrorIs(error, 'ENOSPC', 'EDQUOT');

const nothingTookIt = (sha256: ArtifactHash, faults: readonly unknown[]): DepotError => {
  if (faults.length > 0 && faults.every(isFull)) {
    const words = faults.map(messageChain).join('; ');
    return new DepotError('NO_SPACE', `no dataset has space for ${sha256}: ${words}`);
  }
  return new DepotError('NO_USABLE_DATASET', `no dataset of this sled can take ${sha256}`, {
    cause: faults.find(fault => !isFull(fault)),
  });
};

const notInConfig = (sha256: ArtifactHash, generation: Generation | undefined): DepotError =>
  new DepotError('ARTIFACT_NOT_IN_CONFIG', `the config of generation ${generation} does not list ${sha256}`, {
    detail: { sha256, generation: generation ?? null },
  });

const wrongLength = (sha256: ArtifactHash, expectedBytes: number, actualBytes: number): DepotError =>
  new DepotError(
    'ARTIFACT_HASH_MISMATCH',
    `${sha256} has ${expectedBytes} bytes, and ${actualBytes} were announced or sent`,
    { detail: { sha256, expectedBytes, actualBytes } },
  );

const tooLarge = (sha256: ArtifactHash, limitBytes: number): DepotError =>
  new DepotError(
    'BODY_TOO_LARGE',
    `${sha256} is longer than the ${limitBytes} bytes that an artifact may have`,
    {
      detail: { sha256, limitBytes },
    },
  );
