/**
 * The packages that a package for machines bundles: those of production that the lock file pins, and Node. No PostgreSQL, which a
 * fleet has elsewhere, and nothing that is optional.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DepotError } from '../src/lib/errors.ts';

export type Bundled = {
  readonly name: string;
  readonly version: string;
  /** SPDX. */
  readonly license: string;
  /** Its folder below the project: `node_modules/zod`. */
  readonly folder: string;
  /** Subresource integrity, as in the lock file. */
  readonly integrity: string | undefined;
  /** What its authors wrote, from its own file. */
  readonly licenseText: string;
};

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      integrity: z.string().optional(),
      dev: z.boolean().optional(),
      optional: z.boolean().optional(),
      devOptional: z.boolean().optional(),
    }),
  ),
});

export const nodePackage = (): string => `node-linux-${process.arch}`;

const LICENSE_FILE = /^(licen[cs]e|copying)([-.].*)?$/i;

const readLicense = async (folder: string): Promise<string> => {
  const names = (await readdir(folder)).filter(name => LICENSE_FILE.test(name)).sort();
  const texts = await Promise.all(names.map(name => readFile(join(folder, name), 'utf8')));
  return texts.join('\n').trim();
};

/** Sorted by folder. @throws `IO` where `npm ci` has not installed one */
export const readBundled = async (root: string): Promise<Bundled[]> => {
  const lock = Lock.parse(JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')));
  const node = `node_modules/${nodePackage()}`;
  const kept = Object.entries(lock.packages).filter(
    ([folder, { dev, optional, devOptional }]) =>
      folder === node || (folder !== '' && !dev && !optional && !devOptional),
  );
  return Promise.all(
    kept
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(async ([folder, { version = '', license = 'NOASSERTION', integrity }]) => ({
        ...{ folder, version, license, integrity },
        name: folder.replace(/^.*node_modules\//, ''),
        licenseText: await readLicense(join(root, folder)).catch((cause: unknown) => {
          const detail = { remedy: 'npm ci' };
          throw new DepotError('IO', `${folder} is not installed`, { cause, detail });
        }),
      })),
  );
};
