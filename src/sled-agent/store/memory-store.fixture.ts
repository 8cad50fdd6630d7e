/** A store over a memory disk, for tests that cut its power, kill it at any operation, or remove its disks. */
import { seededRng } from '../../core/rng.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import {
  createMemoryDisk,
  interposed,
  type MemoryDisk,
  type Operation,
  systemError,
} from '../../lib/disk.fixture.ts';
import { silentLogger } from '../../lib/log.ts';
import { DELETION_AT_ONCE } from './artifact.fixture.ts';
import { openStore } from './open-store.ts';
import type { ReleaseTrust } from './release-trust.ts';
import { type ArtifactStore, type Decisions, NO_DECISIONS, type StoreSettings } from './store.ts';

export const DIRECTORIES = ['/m2-0', '/m2-1'] as const;

const SETTINGS = {
  quotaBytes: 2 ** 20,
  minFreeBytes: 0,
  maxArtifactBytes: 2 ** 16,
  deletion: DELETION_AT_ONCE,
  scrub: { periodMs: 1_000_000, bytesPerSecond: 2 ** 30 },
};

export type Machine = {
  readonly memory: MemoryDisk;
  /**
   * Starts the process. `before` is called before each disk operation, and `synced` between the effect of a sync of a
   * directory and its answer; absent disks have no directory;
   * `configured` are its configured directories, by default all.
   */
  readonly start: (options?: {
    before?: (operation: Operation) => void | Promise<void>;
    synced?: () => Promise<void>;
    absent?: readonly string[];
    configured?: readonly string[];
    clock?: Clock;
    scrub?: StoreSettings['scrub'];
    deletion?: StoreSettings['deletion'];
    quotaBytes?: number;
    trust?: ReleaseTrust;
    maxBundlesBytes?: number;
    decisions?: Decisions;
  }) => Promise<ArtifactStore>;
  /** Kills the process: none of its operations reaches the disk any more. */
  readonly kill: () => void;
  readonly powerCut: (seed: number) => void;
};

export const createMachine = (directories: readonly string[] = DIRECTORIES): Machine => {
  const memory = createMemoryDisk(directories);
  let process = { isDead: false };
  const kill = () => {
    process.isDead = true;
  };
  return {
    memory,
    start({
      before = () => undefined,
      synced = async () => undefined,
      absent = [],
      configured = directories,
      clock = systemClock,
      scrub,
      trust,
      maxBundlesBytes,
      decisions = NO_DECISIONS,
      ...others
    } = {}) {
      kill();
      const own = { isDead: false };
      process = own;
      const ask = async (operation: Operation) => {
        if (own.isDead) throw new Error('the process is dead');
        if (absent.some(directory => operation.path.startsWith(directory))) throw systemError('ENOENT');
        await before(operation);
        if (own.isDead) throw new Error('the process is dead');
      };
      return openStore(
        { ...SETTINGS, ...others, directories: configured, ...(scrub && { scrub }) },
        {
          clock,
          trust,
          maxBundlesBytes,
          rng: seededRng(1),
          log: silentLogger,
          decisions,
          disk: interposed(
            { ...memory.disk, syncDirectory: path => memory.disk.syncDirectory(path).then(synced) },
            ask,
          ),
          lockDirectory: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
        },
      );
    },
    kill,
    powerCut(seed) {
      kill();
      memory.powerCut(seededRng(seed));
    },
  };
};
