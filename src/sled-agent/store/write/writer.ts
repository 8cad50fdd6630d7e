/**
 * Writes one artifact: the bytes are hashed once and written to every usable dataset at the same time.
 *
 *     begin: config, length, space ─▶ write … ─▶ commit: length, hash, fsync
 *       ─▶ under the lock of this hash { still wanted? ─▶ rename ─▶ fsync the directory, shared (LA4) } ─▶ acknowledge
 *
 * WR1. The generation must match at the start; at the end the hash only has to be wanted, so that an upload elsewhere does
 *      not abort a long transfer (P2).
 * WR2. An existing file is no reason to skip the rename: it may be about to be deleted, or rotten (P2).
 * WR3. A write that is refused leaves nothing behind.
 * WR4. An artifact that no admitted bundle lists is not stored, at the start of a write and at its end (T3). One of which only the
 *      SHA-512 is signed is hashed both ways, and stored only if its bytes have the signed one (ADM6).
 * WR5. Where prefix digests are known, a write ends at the first one that the bytes do not have, and what is verified can be read
 *      before the end (ARV1). They admit nothing: the hash of the whole decides, as without them (PXD1).
 */
import { createHash } from 'node:crypto';
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import type { ArtifactHash, Generation } from '../../../core/ids.ts';
import type { PutResult } from '../../../core/sled-report.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Disk } from '../../../lib/disk.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import { awaitingFloor } from '../config/config-keeper.ts';
import type { Dataset } from '../dataset/dataset.ts';
import { refusedByAll } from '../dataset/refused-by-all.ts';
import type { KeyedLock } from '../locks.ts';
import { pointOf } from '../point.ts';
import type { ReleaseBundles } from '../release-trust.ts';
import type { ArtifactStore, ArtifactWriter, StoreState } from '../store.ts';
import { type Lanes, type MakeRoom, openLanes } from './lanes.ts';
import { createMarkedHash, type MarkedHashDependencies } from './marked-hash.ts';
import {
  notInConfig,
  otherGeneration,
  otherSet,
  tooLarge,
  wrongHash,
  wrongLength,
} from './write-refusals.ts';

export type WriterDependencies = MarkedHashDependencies & {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly makeRoom: MakeRoom;
  readonly state: () => StoreState;
  readonly config: () => ArtifactConfig | undefined;
  /** Why an artifact is withheld; undefined if it is not (T3). */
  readonly withheld: (sha256: ArtifactHash) => string | undefined;
  readonly sha512: Pick<ReleaseBundles, 'awaitedSha512' | 'learned'>;
  readonly byHash: KeyedLock;
  readonly maxArtifactBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
};

export type Writers = AsyncDisposable & { readonly begin: ArtifactStore['beginWrite'] };

/** Disposing aborts the writes in flight. */
export const createWriters = (deps: WriterDependencies): Writers => {
  const open = new Set<ArtifactWriter>();
  let isClosing = false;
  return {
    async begin(sha256, generation, { expectedSizeBytes, digest, sender = 'the sender' } = {}) {
      const sizeBytes = admitWrite(deps, sha256, { generation, digest }, expectedSizeBytes);
      const limitBytes = sizeBytes ?? deps.maxArtifactBytes;
      const usable = deps.datasets.filter(each => each.isWritable());
      if (usable.length === 0) throw refusedByAll(sha256, [], deps.datasets);
      const lanes = await openLanes({ ...deps, usable, limitBytes }, sha256, sizeBytes);
      const write = { sha256, sizeBytes, limitBytes, lanes, sender, datasets: usable.length };
      const writer = createWriter(deps, write, () => open.delete(writer));
      open.add(writer);
      try {
        lanes.require();
        if (isClosing) throw new DepotError('SHUTTING_DOWN', 'the store is closing');
      } catch (error) {
        await writer.abort();
        throw error;
      }
      return writer;
    },
    async [Symbol.asyncDispose]() {
      isClosing = true;
      await Promise.all([...open].map(writer => writer.abort()));
    },
  };
};

/** Checks that the write may begin; returns its length if known. */
const admitWrite = (
  { state, config, withheld, sha512, maxArtifactBytes }: WriterDependencies,
  sha256: ArtifactHash,
  { generation, digest }: { readonly generation: Generation; readonly digest: string | undefined },
  expectedSizeBytes: number | undefined,
): number | undefined => {
  const now = state();
  if (now.kind !== 'ready') throw awaitingFloor(now.reason);
  const current = requireConfig(config());
  if (current.generation !== generation) throw otherGeneration(generation, current.generation);
  if (digest !== undefined && digest !== pointOf(current).digest) throw otherSet(generation); // P13
  if (!current.artifacts.has(sha256)) throw notInConfig(sha256, current.generation);
  if (sha512.awaitedSha512(sha256) === undefined) requireAdmitted(sha256, withheld);
  const knownBytes = current.artifacts.get(sha256);
  const sizeBytes = knownBytes ?? expectedSizeBytes;
  if (knownBytes !== undefined && expectedSizeBytes !== undefined && knownBytes !== expectedSizeBytes)
    throw wrongLength(sha256, knownBytes, expectedSizeBytes);
  if (sizeBytes !== undefined && sizeBytes > maxArtifactBytes) throw tooLarge(sha256, maxArtifactBytes);
  return sizeBytes;
};

/** WR4 */
const requireAdmitted = (sha256: ArtifactHash, withheld: WriterDependencies['withheld']): void => {
  const reason = withheld(sha256);
  if (reason !== undefined)
    throw new DepotError('ARTIFACT_WITHHELD', `${sha256} is withheld: ${reason}`, { detail: { sha256 } });
};

/** None after a start, and after its disks were exchanged. */
const requireConfig = (config: ArtifactConfig | undefined): ArtifactConfig => {
  if (config !== undefined) return config;
  throw new DepotError('NO_ARTIFACT_CONFIG', 'this sled has no config yet');
};

type Write = {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number | undefined;
  readonly limitBytes: number;
  readonly lanes: Lanes;
  readonly sender: string;
  readonly datasets: number;
};

const createWriter = (deps: WriterDependencies, write: Write, onEnd: () => void): ArtifactWriter => {
  const { sha256, lanes } = write;
  const marked = createMarkedHash(deps, write);
  const sha512 = deps.sha512.awaitedSha512(sha256) && createHash('sha512');
  const outstanding = new Set<Promise<void>>();
  let receivedBytes = 0;
  let refused: DepotError | undefined;
  let end: Promise<void> | undefined;

  const append = async (chunk: Uint8Array, position: number): Promise<void> => {
    const written = lanes.write(chunk, position);
    refused ??= marked.update(chunk); // while the disks are at work
    sha512?.update(chunk);
    await written;
    marked.moved();
    lanes.require();
    if (refused !== undefined) throw refused;
  };
  const finish = async (): Promise<PutResult> => {
    await settled(outstanding);
    if (refused !== undefined) throw refused;
    verifyBytes(write, receivedBytes, marked.digest());
    marked.whole(receivedBytes);
    if (sha512 !== undefined) deps.sha512.learned(sha256, sha512.digest('hex')); // SHP1
    await lanes.sync();
    await deps.byHash(sha256, async () => {
      const current = requireConfig(deps.config());
      if (!current.artifacts.has(sha256)) throw notInConfig(sha256, current.generation);
      requireAdmitted(sha256, deps.withheld);
      await lanes.name(receivedBytes);
    });
    lanes.require();
    return { datasets: write.datasets, successfulWrites: lanes.live() };
  };
  const discard = async (): Promise<void> => {
    await settled(outstanding);
    marked.end();
    await lanes.discard();
    onEnd();
  };
  const abort = (): Promise<void> => {
    end ??= discard();
    return end;
  };

  return {
    write(chunk) {
      if (end !== undefined) return Promise.reject(new Error(`the write of ${sha256} has ended`));
      if (receivedBytes + chunk.length > write.limitBytes)
        refused ??= overlong(write, receivedBytes + chunk.length);
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
      // A concurrent abort or disposal waits for the commit, and does not undo it.
      end = result.then(discard, discard);
      await end;
      return result;
    },
    abort,
    [Symbol.asyncDispose]: abort,
  };
};

const settled = async (outstanding: ReadonlySet<Promise<void>>): Promise<void> => {
  while (outstanding.size > 0) await Promise.allSettled(outstanding);
};

const overlong = ({ sha256, sizeBytes, limitBytes }: Write, receivedBytes: number): DepotError =>
  sizeBytes === undefined ? tooLarge(sha256, limitBytes) : wrongLength(sha256, sizeBytes, receivedBytes);

const verifyBytes = ({ sha256, sizeBytes }: Write, receivedBytes: number, actual: string): void => {
  if (sizeBytes !== undefined && receivedBytes !== sizeBytes)
    throw wrongLength(sha256, sizeBytes, receivedBytes);
  if (actual !== sha256) throw wrongHash(sha256, actual, receivedBytes);
};
