/**
 * The files of an image: the program as the Debian package has it, and from the machine that builds no more than flock(1), by which
 * directories are locked, and the libraries that it and Node's binary load. There is no shell and no package manager in it.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { DepotError } from '../src/lib/errors.ts';
import type { PackedFile } from './tar.ts';

/** No user of the machine has it: that of images without a shell. */
export const IMAGE_USER = '65532:65532';

/** Of util-linux. */
const FLOCK = '/usr/bin/flock';
const PROGRAM = 0o755;
const PLAIN = 0o644;
const NEEDED = /^usr\/(?:lib\/tuf-depot\/|share\/doc\/tuf-depot\/(?:copyright|sbom))/;

/** @returns absolute paths, the loader among them */
const librariesOf = async (programs: readonly string[]): Promise<string[]> => {
  const { stdout } = await promisify(execFile)('ldd', [...programs]);
  const paths = stdout.split('\n').flatMap(line => /(?:^|\s)(\/\S+) \(0x/.exec(line)?.[1] ?? []);
  return [...new Set(paths)];
};

/** Of the packages of Debian that these come from; another system has them elsewhere. */
const LICENSES = ['util-linux', 'libc6', 'libstdc++6', 'libgcc-s1', 'gcc-12-base'];

const licenseFiles = async (): Promise<PackedFile[]> => {
  const found = await Promise.all(
    LICENSES.map(async name => {
      const path = `usr/share/doc/${name}/copyright`;
      const bytes = await readFile(`/${path}`).catch(() => undefined);
      return bytes === undefined ? [] : [{ path, mode: PLAIN, bytes }];
    }),
  );
  return found.flat();
};

/**
 * @param files of the Debian package
 * @param node the binary
 * @throws `IO` where ldd(1) names no library
 */
export const imageFiles = async (files: readonly PackedFile[], node: string): Promise<PackedFile[]> => {
  const libraries = await librariesOf([node, FLOCK]);
  if (libraries.length === 0) throw new DepotError('IO', `ldd names no library of ${node}`);
  const account = `tuf-depot:x:${IMAGE_USER}:tuf-depot:/nonexistent:/nonexistent\n`;
  return [
    ...files.filter(({ path }) => NEEDED.test(path)),
    ...(await licenseFiles()),
    ...(await Promise.all(
      [FLOCK, ...libraries].map(async path => ({
        path: path.slice(1),
        mode: PROGRAM,
        bytes: await readFile(path),
      })),
    )),
    { path: 'etc/passwd', mode: PLAIN, bytes: Buffer.from(account) },
    { path: 'etc/group', mode: PLAIN, bytes: Buffer.from('tuf-depot:x:65532:\n') },
  ];
};
