/**
 * The files of one embedded server, and how they are created.
 *
 *     <data directory>/
 *       data           the database; a link into the public directory for an unprivileged account
 *       libraries      links that the binaries need (binaries.ts)
 *       socket         (socket-directory.ts)
 *       postgres.log
 *       lock           one owner (P12)
 *
 * HM1. `data` exists only after initdb has completed: initdb works under another name, which is then changed.
 * HM2. Once the database lies in the public directory it stays there: its files belong to the unprivileged account.
 */
import { createHash } from 'node:crypto';
import { chown, cp, lchown, lstat, readdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectories, namedFilesDisk, namingFull } from '../../lib/real-disk.ts';
import { type Account, readUnprivilegedAccount } from './account.ts';
import type { PostgresBinaries } from './binaries.ts';
import { prepareSocketDirectory } from './socket-directory.ts';

/** An unprivileged account can reach it on every Linux, and it survives a restart of the machine. */
export const PUBLIC_DIRECTORY = '/var/lib/tuf-depot';

export type Home = {
  readonly account: Account;
  readonly nativeDirectory: string;
  /** Holds `data` itself, not a link to it. */
  readonly dataParent: string;
  readonly dataPath: string;
  readonly libraryLinks: string;
  readonly socketDirectory: string;
};

export const prepareHome = async (options: {
  dataDirectory: string;
  binaries: PostgresBinaries;
  account: Account;
  publicDirectory: string;
}): Promise<Home> => {
  const { dataDirectory, binaries, publicDirectory } = options;
  const link = join(dataDirectory, 'data');
  const found = await lstat(link).catch(() => undefined);
  const moved = found?.isSymbolicLink() === true;
  const account =
    moved && options.account.kind === 'namespace' ? await readUnprivilegedAccount() : options.account;
  if (account.kind !== 'unprivileged') {
    return {
      account,
      nativeDirectory: binaries.nativeDirectory,
      dataParent: dataDirectory,
      dataPath: link,
      libraryLinks: join(dataDirectory, 'libraries'),
      socketDirectory: await prepareSocketDirectory(dataDirectory),
    };
  }
  const name = `database-${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 16)}`;
  const dataParent = join(publicDirectory, name);
  await makeDirectories(dataParent, { mode: 0o755 });
  const nativeDirectory = await copyBinaries(binaries, publicDirectory);
  const socketDirectory = join(dataParent, 'socket');
  await makeDirectories(socketDirectory, { mode: 0o700 });
  await chown(socketDirectory, account.uid, account.gid);
  await chown(dataParent, account.uid, account.gid);
  const dataPath = join(dataParent, 'data');
  if (found?.isDirectory()) await moveData(link, dataPath, account);
  if (!moved) await namingFull(dataDirectory, () => symlink(dataPath, link));
  await namedFilesDisk.syncDirectory(dataDirectory);
  return {
    account,
    nativeDirectory,
    dataParent,
    dataPath,
    libraryLinks: join(dataParent, 'libraries'),
    socketDirectory,
  };
};

/** A copy that is whole or absent, shared by all databases of the machine. */
const copyBinaries = async (binaries: PostgresBinaries, publicDirectory: string): Promise<string> => {
  const copy = join(publicDirectory, `postgres-${binaries.version}`);
  if (await lstat(copy).catch(() => undefined)) return join(copy, 'native');
  const unfinished = `${copy}.${process.pid}`;
  await copyTree(binaries.nativeDirectory, join(unfinished, 'native'));
  await rename(unfinished, copy).catch(async error => {
    // Another process was first; its copy is as good.
    await rm(unfinished, { recursive: true, force: true });
    if (!(await lstat(copy).catch(() => undefined))) throw error;
  });
  return join(copy, 'native');
};

/** For a database that was made while user namespaces were allowed. The old one is removed last. */
const moveData = async (from: string, to: string, account: { uid: number; gid: number }): Promise<void> => {
  if (!(await lstat(to).catch(() => undefined))) {
    const unfinished = `${to}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await copyTree(from, unfinished);
    await chownAll(unfinished, account);
    await rename(unfinished, to);
  }
  await rm(from, { recursive: true });
};

const copyTree = (from: string, to: string): Promise<void> =>
  namingFull(dirname(to), () => cp(from, to, { recursive: true, verbatimSymlinks: true }));

const chownAll = async (path: string, account: { uid: number; gid: number }): Promise<void> => {
  await lchown(path, account.uid, account.gid);
  if (!(await lstat(path)).isDirectory()) return;
  for (const name of await readdir(path)) await chownAll(join(path, name), account);
};
