/**
 * Spot check (P9): before a local repo is dropped, one random range of each of its artifacts is read from sleds that list
 * them, and compared with the archive.
 *
 * SC1. A sled counts only if every range was right; `minSledReplication` such sleds are enough.
 * SC2. A sled with other bytes is an error that names it; one that did not answer is not.
 * SC3. A slow sled does not delay the round: sleds are read in parallel, and after the budget the archive stays for
 *      another round (G8).
 * SC4. A depot that knows no ranges sends the whole file: there the range is near its beginning, so that little is skipped.
 */
import type { ArtifactHash, UploadId } from '../../core/ids.ts';
import { type Rng, shuffled } from '../../core/rng.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import {
  MAX_SKIPPED_BYTES,
  type SledConnection,
  type SledTarget,
} from '../../sled-client/sled-connection.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { FleetMemory } from './sled-memory.ts';

/** Long enough that a sled cannot have it by luck, short enough for thousands of them. */
export const SPOT_CHECK_BYTES = 16 * 1024;
/** For one range of one artifact. */
const RANGE_TIMEOUT_MS = 10_000;
/** For one archive: ten thousand artifacts on three sleds take about half of it. */
const SPOT_CHECK_BUDGET_MS = 30_000;

type Deps = {
  readonly connection: SledConnection;
  readonly staging: Pick<Staging, 'openArtifact'>;
  readonly memory: FleetMemory;
  readonly rng: Rng;
  readonly clock: Clock;
};

/** True if enough holders returned the right bytes of every artifact. */
export const spotCheck = async (
  deps: Deps,
  repo: {
    readonly uploadId: UploadId;
    readonly holders: readonly SledTarget[];
    readonly artifacts: ReadonlyMap<ArtifactHash, number>;
    readonly enough: number;
  },
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<boolean> => {
  if (repo.holders.length < repo.enough) return false;
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal, deps.clock.timeout(SPOT_CHECK_BUDGET_MS)]);
  const waiting = distrustedFirst(shuffled(repo.holders, deps.rng), deps.memory);
  let proven = 0;
  // SC3: as many in parallel as are enough; for each that fails, the next one.
  const lane = async (): Promise<void> => {
    for (;;) {
      const sled = waiting.shift();
      if (sled === undefined || signal.aborted) return;
      if (!(await checkSled(deps, sled, repo, { log: options.log, signal }))) continue;
      proven += 1;
      return;
    }
  };
  try {
    await Promise.all(Array.from({ length: repo.enough }, lane));
  } finally {
    over.abort();
  }
  options.signal.throwIfAborted();
  return proven >= repo.enough;
};

/** A distrusted sled is checked again whenever there is an archive to compare it with. */
const distrustedFirst = (sleds: readonly SledTarget[], memory: FleetMemory): SledTarget[] => {
  const isDistrusted = (sled: SledTarget) => memory.sled(sled.id).distrust !== undefined;
  return [...sleds.filter(isDistrusted), ...sleds.filter(sled => !isDistrusted(sled))];
};

const checkSled = async (
  deps: Deps,
  sled: SledTarget,
  repo: { readonly uploadId: UploadId; readonly artifacts: ReadonlyMap<ArtifactHash, number> },
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<boolean> => {
  for (const [sha256, sizeBytes] of repo.artifacts) {
    try {
      await checkRange(deps, sled, { uploadId: repo.uploadId, sha256, sizeBytes }, signal);
    } catch (error) {
      const fields = { sled_id: sled.id, sha256, err: error };
      if (errorCodeOf(error) === 'SLED_BYTES_DIFFER') {
        deps.memory.bytesDiffer(sled.id, sha256);
        log.error(fields, 'sled does not have the bytes that it lists');
      } else log.warn(fields, 'sled could not be checked before a local repo is dropped');
      return false;
    }
  }
  deps.memory.bytesProven(sled.id);
  return true;
};

type CheckedArtifact = {
  readonly uploadId: UploadId;
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
};

const checkRange = async (
  deps: Deps,
  sled: SledTarget,
  artifact: CheckedArtifact,
  signal: AbortSignal,
): Promise<void> => {
  const length = Math.min(SPOT_CHECK_BYTES, artifact.sizeBytes);
  if (length === 0) return; // an empty artifact has no byte to look at
  const last = artifact.sizeBytes - length;
  const checkWithin = (until: number) =>
    checkBytes(deps, sled, artifact, { offset: deps.rng.below(until + 1), length }, signal);
  try {
    await checkWithin(last);
  } catch (error) {
    if (errorCodeOf(error) !== 'PEER_RANGE_IGNORED') throw error;
    await checkWithin(Math.min(last, MAX_SKIPPED_BYTES)); // SC4
  }
};

const checkBytes = async (
  deps: Deps,
  sled: SledTarget,
  { uploadId, sha256 }: CheckedArtifact,
  { offset, length }: { readonly offset: number; readonly length: number },
  signal: AbortSignal,
): Promise<void> => {
  await using local = await deps.staging.openArtifact(uploadId, sha256);
  const expected = await local.readRange(offset, length);
  const wait = { signal: AbortSignal.any([signal, deps.clock.timeout(RANGE_TIMEOUT_MS)]) };
  const actual = await deps.connection.readRange(sled, { sha256, offset, length }, wait);
  if (Buffer.compare(expected, actual) !== 0) {
    throw new DepotError(
      'SLED_BYTES_DIFFER',
      `sled ${sled.id} lists ${sha256}, but its bytes ${offset} to ${offset + length - 1} are not those of the archive`,
    );
  }
};
