/** Transfers of one Nexus to sleds that are in memory, as what a round has found. */
import { RepoId, SystemVersion, UploadId } from '../../core/ids.ts';
import type { SledListing } from '../../core/inventory.ts';
import { seededRng } from '../../core/rng.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import { createRequestLog } from '../history/request-log.ts';
import {
  contentOf,
  type FakeSled,
  fakeConnection,
  fakeSled,
  generation,
  hashOf,
} from '../sleds/fleet.fixture.ts';
import { createFleetMemory } from '../sleds/sled-memory.ts';
import { createTransfers, type TransferPolicy } from './fleet-transfers.ts';

const uploadId = UploadId.parse('00000003-0000-4000-8000-000000000001');
const repoId = RepoId.parse('00000002-0000-4000-8000-000000000001');
export const POLICY: TransferPolicy = {
  minSledReplication: 1,
  limits: { maxTransfers: 100, maxTransfersToSled: 1, maxCopiesFromSource: 1, maxPuts: 1, smallBytes: 0 },
  copyConcurrency: 8,
  copyAnswerTimeoutMs: 20_000,
  roundWaitMs: 2_000,
};

/** Of artifacts of 1,000 bytes. */
const MARKS = { unitBytes: 600, digests: new Uint8Array(32) };

type FleetOptions = {
  readonly policy?: Partial<TransferPolicy>;
  readonly connection?: Partial<SledConnection>;
  readonly hasArchive?: boolean;
  readonly clock?: Clock;
  /** Artifacts whose prefix digests the database has. */
  readonly marked?: readonly number[];
};

/** So slow that no sled is ever idle for a second, on any machine. */
export const slowClock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() / 1_000 };

/** A fleet that lacks the numbered artifacts, all in one archive, but for what its sleds have in `files`. */
export const fleet = (count: number, numbers: readonly number[], options: FleetOptions = {}) => {
  const sleds = Array.from({ length: count }, (_, n) => fakeSled(n + 1));
  const artifacts = new Map(numbers.map(n => [hashOf(n), 1000] as const));
  for (const sled of sleds) sled.config = { generation: generation(2), artifacts };
  const { clock = systemClock } = options;
  const memory = createFleetMemory({ clock, rng: seededRng(1) });
  const requests = createRequestLog({ clock, log: silentLogger });
  const fake = fakeConnection(sleds);
  const archive = { uploadId, repoId, artifacts };
  const local = options.hasArchive === false ? [] : [archive];
  const transfers = createTransfers({
    connection: { ...fake, ...options.connection },
    staging: {
      held: () => local,
      openArtifact: async (_upload, sha256) => ({
        sizeBytes: 1000,
        chunks: async function* () {
          yield contentOf(numbers.find(n => hashOf(n) === sha256)!);
        },
        readRange: async () => new Uint8Array(),
        [Symbol.asyncDispose]: async () => undefined,
      }),
    },
    datastore: {
      prefixDigests: async hashes => {
        const marked = (options.marked ?? []).map(n => hashOf(n)).filter(sha256 => hashes.has(sha256));
        return new Map(marked.map(sha256 => [sha256, MARKS]));
      },
    },
    ...{ memory, requests, clock, log: silentLogger, prefixUnitBytes: MARKS.unitBytes },
    rng: seededRng(1),
    policy: { ...POLICY, ...options.policy },
  });
  const half = new Set<FakeSled>();
  const listing = (sled: FakeSled): SledListing => ({
    kind: 'ok',
    held: new Map([...sled.files.keys()].map(sha256 => [sha256, half.has(sled) ? 1 : sled.datasets])),
    datasets: sled.datasets,
    copiesInFlight: new Set(sled.copiesInFlight),
    incarnationId: sled.incarnation,
  });
  const follow = () =>
    transfers.follow({
      ...{ generation: generation(2), digest: '0'.repeat(64), local, beganMs: clock.monotonicMs() },
      wanted: {
        generation: generation(2),
        artifacts,
        releases: [
          { repoId, systemVersion: SystemVersion.parse('1.0.0'), artifacts: new Set(artifacts.keys()) },
        ],
      },
      sleds: sleds.map(sled => ({
        ...{ id: sled.target.id, serial: sled.target.serial, target: sled.target, report: undefined },
        answer: listing(sled),
      })),
    });
  const settle = () => transfers.settle({ signal: new AbortController().signal });
  const run = () => {
    follow();
    return settle();
  };
  /** From now on it lists what it has on one dataset only. */
  const listHalf = (sled: FakeSled): void => void half.add(sled);
  return { sleds, memory, requests, transfers, log: fake.log, follow, settle, run, listHalf };
};

/** Rejects as a transport does: when the request's signal aborts. */
export const hang = (signal: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  );
export const give = (sled: FakeSled, ...numbers: number[]) => {
  for (const n of numbers) sled.files.set(hashOf(n), contentOf(n));
};
export const holdings = (sleds: readonly FakeSled[]) => sleds.map(sled => sled.files.size);
