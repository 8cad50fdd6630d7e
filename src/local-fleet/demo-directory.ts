/** A temporary directory for the demo, on a disk with enough space; it is removed afterwards. */
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DepotError } from '../lib/errors.ts';
import { namingFull } from '../lib/real-disk.ts';
import { removeFleet } from './data-directory.ts';

const PREFIX = 'tuf-depot-demo-';
/** For the database and the sleds' own reserve of free space. */
const RESERVE_BYTES = 2 * 1024 ** 3;

export type DemoDirectory = AsyncDisposable & {
  /** For the releases. */
  readonly path: string;
  /** For the fleet. */
  readonly fleet: string;
};

/**
 * In the system's temporary directory, or in `fallback` if that has no space.
 *
 * @throws `NO_SPACE` with the numbers
 */
export const makeDemoDirectory = async (neededBytes: number, fallback: string): Promise<DemoDirectory> => {
  const looked: string[] = [];
  for (const parent of [tmpdir(), fallback]) {
    const { bavail, bsize } = await statfs(parent);
    if (bavail * bsize >= neededBytes + RESERVE_BYTES) {
      const path = await namingFull(parent, () => mkdtemp(join(parent, PREFIX)));
      const fleet = join(path, 'fleet');
      return {
        path,
        fleet,
        async [Symbol.asyncDispose]() {
          await removeFleet(fleet);
          await rm(path, { recursive: true, force: true });
        },
      };
    }
    looked.push(`${parent} has ${bavail * bsize}`);
  }
  throw new DepotError(
    'NO_SPACE',
    `the demo needs ${neededBytes + RESERVE_BYTES} bytes of free disk space: ${looked.join(', ')}`,
    { detail: { remedy: 'set TMPDIR to a directory with more space, or start fewer sleds: --sleds 2' } },
  );
};
