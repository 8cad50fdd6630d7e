/**
 * Arriving artifacts: what writes have verified so far can be read before they end.
 *
 *     writer ─▶ a mark matched, a chunk is written ─▶ arrival ─▶ readers, which wait for more
 *
 * ARV1. A byte is read only after the digest of a prefix that has it, or of the whole, matched; and from a file that has every byte
 *       before it.
 * ARV2. The file of a dataset that failed, or went away since, is not read.
 * ARV3. What arrives is neither held nor listed: a name, a lease or a count comes from the end of a write alone (G4).
 * ARV4. Reading ends with the last write of the artifact, and when the artifact is not wanted any more or is withheld (T3).
 */
import type { ArtifactHash } from '../../../core/ids.ts';
import type { Clock } from '../../../lib/clock.ts';
import { type Disk, type DiskFile, systemErrorIs } from '../../../lib/disk.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { ArrivingArtifact, ArtifactStore } from '../store.ts';
import type { LaneFile } from './lanes.ts';

/** One write whose artifact has prefix digests. */
export type Arrival = {
  /** So many bytes from the beginning have the right digest. */
  readonly verified: (bytes: number) => void;
  /** A chunk is written, or a dataset was dropped. */
  readonly moved: () => void;
  /** Idempotent. */
  readonly end: () => void;
};

type Write = { readonly sizeBytes: number; readonly files: () => readonly LaneFile[]; verifiedBytes: number };

/** Changes of something, and who waits for the next one. */
type Turns = {
  readonly waiting: Set<() => void>;
  /** Counts the changes. */
  turn: number;
};

/** The writes of one artifact. */
type Arriving = Turns & { readonly writes: Set<Write> };

export type Arrivals = {
  readonly begin: (sha256: ArtifactHash, write: Pick<Write, 'sizeBytes' | 'files'>) => Arrival;
  readonly open: ArtifactStore['openArriving'];
  /** What is wanted, or withheld, may have changed (ARV4). */
  readonly settle: () => void;
};

type ArrivalsDependencies = {
  readonly disk: Disk;
  /** Whether the artifact is wanted, and not withheld. */
  readonly isServed: (sha256: ArtifactHash) => boolean;
  /** Whether a write of it can be read once it begins. */
  readonly isExpected: (sha256: ArtifactHash) => boolean;
  readonly clock: Pick<Clock, 'timeout'>;
};

export const createArrivals = (deps: ArrivalsDependencies): Arrivals => {
  const { isServed, isExpected, clock } = deps;
  const byHash = new Map<ArtifactHash, Arriving>();
  const beginnings: Turns = { waiting: new Set(), turn: 0 };
  const openNow = (sha256: ArtifactHash, signal: AbortSignal): ArrivingArtifact | undefined => {
    const arriving = byHash.get(sha256);
    const [write] = arriving?.writes ?? [];
    if (arriving === undefined || write === undefined || !isServed(sha256)) return undefined;
    return createReader(deps, { sha256, sizeBytes: write.sizeBytes, arriving }, signal);
  };
  /** Also returns when there is nothing to wait for, or the time is over. */
  const begun = async (sha256: ArtifactHash, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted && !byHash.has(sha256) && isServed(sha256) && isExpected(sha256))
      await changedSince(beginnings, beginnings.turn, signal).catch(() => undefined);
  };
  return {
    begin(sha256, { sizeBytes, files }) {
      const arriving = byHash.get(sha256) ?? { writes: new Set(), waiting: new Set(), turn: 0 };
      byHash.set(sha256, arriving);
      const write: Write = { sizeBytes, files, verifiedBytes: 0 };
      arriving.writes.add(write);
      wake(beginnings);
      return {
        verified(bytes) {
          if (bytes === write.verifiedBytes) return;
          write.verifiedBytes = bytes;
          wake(arriving);
        },
        moved: () => wake(arriving),
        end() {
          if (!arriving.writes.delete(write)) return;
          if (arriving.writes.size === 0) byHash.delete(sha256);
          wake(arriving);
        },
      };
    },
    async open(sha256, { signal, waitMs = 0 }) {
      if (waitMs > 0) await begun(sha256, AbortSignal.any([signal, clock.timeout(waitMs)]));
      return openNow(sha256, signal);
    },
    settle() {
      for (const arriving of byHash.values()) wake(arriving);
      wake(beginnings);
    },
  };
};

const wake = (turns: Turns): void => {
  turns.turn += 1;
  for (const each of [...turns.waiting]) each();
};

/** Resolves once something has changed since that turn; rejects with the signal's reason. */
const changedSince = ({ waiting, turn: now }: Turns, turn: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const leave = (): void => {
      waiting.delete(go);
      signal.removeEventListener('abort', abort);
    };
    const go = (): void => {
      leave();
      resolve();
    };
    const abort = (): void => {
      leave();
      reject(signal.reason);
    };
    if (signal.aborted) return reject(signal.reason);
    if (now !== turn) return resolve();
    waiting.add(go);
    signal.addEventListener('abort', abort, { once: true });
  });

type Read = { readonly sha256: ArtifactHash; readonly sizeBytes: number; readonly arriving: Arriving };

const createReader = (
  { disk, isServed }: Pick<ArrivalsDependencies, 'disk' | 'isServed'>,
  { sha256, sizeBytes, arriving }: Read,
  outer: AbortSignal,
): ArrivingArtifact => {
  const closing = new AbortController();
  const signal = AbortSignal.any([outer, closing.signal]);
  const failed = new Set<string>();
  let open: { readonly key: string; readonly file: DiskFile } | undefined;
  const close = async (): Promise<void> => {
    const before = open;
    open = undefined;
    await before?.file.close().catch(() => undefined);
  };
  /** Undefined if the file was renamed a moment ago. */
  const fileOf = async ({ key, path }: LaneFile): Promise<DiskFile | undefined> => {
    if (open?.key === key) return open.file;
    await close();
    try {
      open = { key, file: await disk.openFile(path) };
    } catch (error) {
      if (!systemErrorIs(error, 'ENOENT')) throw error;
    }
    if (signal.aborted) await close();
    return open?.file;
  };
  /** Undefined if it cannot be read there now, but may be later, or elsewhere. */
  const readAt = async ({ file, end }: Readable, target: Uint8Array, position: number) => {
    try {
      const opened = await fileOf(file);
      const length = Math.min(target.byteLength, end - position);
      return opened && (await fill(opened, target.subarray(0, length), position));
    } catch (error) {
      failed.add(file.key);
      file.onReadFailure(error);
      if (readable(arriving, position, failed).length === 0) throw error;
      arriving.turn += 1; // so that another file is tried at once
      return undefined;
    }
  };
  return {
    sha256,
    sizeBytes,
    async read(target, position) {
      for (;;) {
        signal.throwIfAborted();
        if (!isServed(sha256)) throw notServed(sha256);
        if (arriving.writes.size === 0) return undefined;
        const { turn } = arriving;
        const [found] = readable(arriving, position, failed);
        const count = found && (await readAt(found, target, position));
        if (count !== undefined) return count;
        await changedSince(arriving, turn, signal);
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new DepotError('INTERNAL', 'the answer was closed'));
      await close();
    },
  };
};

type Readable = { readonly file: LaneFile; readonly end: number };

/** Where the byte at this position, and how many after it, can be read now (ARV1, ARV2). */
const readable = ({ writes }: Arriving, position: number, failed: ReadonlySet<string>): readonly Readable[] =>
  [...writes].flatMap(({ files, verifiedBytes }) =>
    files()
      .map(file => ({ file, end: Math.min(verifiedBytes, file.writtenBytes) }))
      .filter(({ file, end }) => end > position && !failed.has(file.key)),
  );

const fill = async (file: DiskFile, target: Uint8Array, position: number): Promise<number> => {
  const count = await file.read(target, position);
  if (count === target.byteLength) return count;
  throw new DepotError('IO', `the file of an arriving artifact ends at byte ${position + count}`);
};

const notServed = (sha256: ArtifactHash): DepotError =>
  new DepotError('ARTIFACT_NOT_HELD', `${sha256} is not wanted here any more, or withheld`, {
    detail: { sha256 },
  });
