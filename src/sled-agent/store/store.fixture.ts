/** A store over two temporary directories, for tests (S19). */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { DELETION_AT_ONCE, tellFloor } from './artifact.fixture.ts';
import { openStore, type StoreDependencies } from './open-store.ts';
import type { ArtifactStore, StoreSettings } from './store.ts';

export type TestStore = AsyncDisposable & {
  readonly directories: readonly string[];
  /** The currently open store. */
  readonly store: () => ArtifactStore;
  /** Closes the store and opens it again from its directories, as a restart does. */
  readonly reopen: (dependencies?: Partial<StoreDependencies>) => Promise<ArtifactStore>;
};

export type TestStoreOptions = {
  readonly datasets?: number;
  readonly settings?: Partial<Omit<StoreSettings, 'directories'>>;
  readonly dependencies?: Partial<StoreDependencies>;
  /** The floor that the store receives at once; `null` leaves it waiting for one. */
  readonly floor?: number | null;
};

const MIB = 2 ** 20;

/** Small limits, so that tests can reach them. */
const SETTINGS = {
  quotaBytes: 256 * MIB,
  minFreeBytes: 0,
  maxArtifactBytes: 64 * MIB,
  deletion: DELETION_AT_ONCE,
  scrub: { periodMs: 1_000_000, bytesPerSecond: 2 ** 30 },
};

export const createTestStore = async ({
  datasets = 2,
  settings = {},
  dependencies = {},
  floor = 1,
}: TestStoreOptions = {}): Promise<TestStore> => {
  const root = await mkdtemp(join(tmpdir(), 'tuf-depot-store-'));
  const directories = Array.from({ length: datasets }, (_, index) => join(root, `m2-${index}`));
  for (const directory of directories) await mkdir(directory);
  const open = (others: Partial<StoreDependencies> = {}): Promise<ArtifactStore> =>
    openStore(
      { ...SETTINGS, ...settings, directories },
      { clock: systemClock, rng: seededRng(1), log: silentLogger, ...dependencies, ...others },
    );
  let current = await open();
  if (floor !== null) await tellFloor(current, floor);
  return {
    directories,
    store: () => current,
    async reopen(others) {
      await current[Symbol.asyncDispose]();
      current = await open(others);
      return current;
    },
    async [Symbol.asyncDispose]() {
      await current[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
};
