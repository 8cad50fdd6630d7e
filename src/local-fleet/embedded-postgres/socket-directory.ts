/**
 * The directory of the Unix socket: only its owner may enter, which controls the access to the database.
 *
 * The path of a Unix socket is at most 107 bytes, so a deep data directory needs a short one elsewhere.
 */
import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DepotError } from '../../lib/errors.ts';
import { makeDirectories } from '../../lib/real-disk.ts';

/** PostgreSQL names its socket by a port, even if it listens on none. */
export const SOCKET_PORT = 5432;
const MAX_SOCKET_PATH_BYTES = 107;

const fits = (directory: string): boolean =>
  Buffer.byteLength(join(directory, `.s.PGSQL.${SOCKET_PORT}.lock`)) <= MAX_SOCKET_PATH_BYTES;

/**
 * Makes the directory: in the data directory if the path is short enough, else under XDG_RUNTIME_DIR or the temporary
 * directory, under a name derived from the data directory.
 *
 * @throws `EMBEDDED_POSTGRES` when another user has that directory
 */
export const prepareSocketDirectory = async (dataDirectory: string): Promise<string> => {
  const inside = join(dataDirectory, 'socket');
  const name = `tuf-depot-${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 16)}`;
  const candidates = [inside, join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), name), join('/tmp', name)];
  const directory = candidates.find(fits) ?? inside;
  await makeDirectories(directory, { mode: 0o700 });
  const found = await lstat(directory);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
    throw new DepotError(
      'EMBEDDED_POSTGRES',
      `${directory}, for the database's socket, is not a directory of this user with mode 0700: remove it`,
    );
  }
  return directory;
};
