/** The identity of a dataset: a UUID in `dataset.json`, which stays with the disk wherever it is mounted. */
import { join } from 'node:path';
import { z } from 'zod';
import { DatasetId } from '../../../core/ids.ts';
import { type Clock, isoTime } from '../../../lib/clock.ts';
import type { Disk } from '../../../lib/disk.ts';
import { readFileWhole, TEMPORARY_PREFIX, writeFileDurably } from '../../../lib/durable-file.ts';
import { DepotError } from '../../../lib/errors.ts';
import { LOCK_FILE } from '../../../lib/exclusive-lock.ts';

export const IDENTITY_FILE = 'dataset.json';

/** Names that other programs create in the root of any file system. */
export const FOREIGN_NAMES: ReadonlySet<string> = new Set(['lost+found']);

const MAX_IDENTITY_BYTES = 4096;

const Identity = z.object({ version: z.literal(1), dataset_id: DatasetId, time_created: z.string() });

export type IdentityDependencies = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly mayCreate: boolean;
};

/** Reads the identity of a directory, or gives one to an empty directory if that is allowed. */
export const readOrCreateIdentity = async (
  path: string,
  { disk, clock, newId, mayCreate }: IdentityDependencies,
): Promise<DatasetId> => {
  const known = await readIdentity(disk, path);
  if (known !== undefined) return known;
  const others = (await disk.readDirectory(path)).filter(
    name => name !== LOCK_FILE && !name.startsWith(TEMPORARY_PREFIX) && !FOREIGN_NAMES.has(name),
  );
  if (others.length > 0) {
    throw new DepotError(
      'IO',
      `${path} is not a dataset: it has files (such as ${others[0]}) but no ${IDENTITY_FILE}; configure an empty directory`,
    );
  }
  if (!mayCreate) throw diskIsGone(path);
  const id = DatasetId.parse(newId());
  const identity: z.input<typeof Identity> = {
    version: 1,
    dataset_id: id,
    time_created: isoTime(clock.nowMs()),
  };
  await writeFileDurably(join(path, IDENTITY_FILE), `${JSON.stringify(identity)}\n`, { disk });
  return id;
};

/** Undefined if there is none. Throws `IO` for an invalid one. */
const readIdentity = async (disk: Disk, path: string): Promise<DatasetId | undefined> => {
  const identityPath = join(path, IDENTITY_FILE);
  const text = await readFileWhole(identityPath, { disk, maxBytes: MAX_IDENTITY_BYTES });
  if (text === undefined) return undefined;
  try {
    return Identity.parse(JSON.parse(text)).dataset_id;
  } catch (cause) {
    throw new DepotError('IO', `${identityPath} is invalid; restore it, or empty the directory`, {
      cause,
    });
  }
};

/** The directory exists, but it is not the dataset: treated like an absent directory. */
export const diskIsGone = (path: string): Error =>
  Object.assign(new Error(`${path} has no ${IDENTITY_FILE}: its disk is gone or not mounted`), {
    code: 'ENOENT',
  });

/** The directory is the dataset again, and was not for a moment: changes in between went elsewhere. */
export const diskWasAway = (path: string, name: string): Error =>
  Object.assign(new Error(`${path} still has ${name}: its disk was away while that was removed`), {
    code: 'ENOENT',
  });

/**
 * Checks that the opened dataset is still there.
 *
 * @throws {@link diskIsGone}, or the same error if another dataset was mounted in its place
 */
export const requireIdentity = async (disk: Disk, path: string, id: DatasetId | undefined): Promise<void> => {
  const found = await readIdentity(disk, path);
  if (found === undefined) throw diskIsGone(path);
  if (id === undefined || found === id) return;
  throw Object.assign(new Error(`${path} is no longer the dataset ${id}: another disk is mounted there`), {
    code: 'ENOENT',
  });
};
