/**
 * Real files for the demo's releases: the Node binary and the largest files of the project's own dependencies.
 *
 * Release one has at least {@link MIN_RELEASE_BYTES}, whatever is installed: if the files do not suffice, compressed copies
 * of the Node binary are added.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createGzip } from 'node:zlib';
import { namingFull } from '../lib/real-disk.ts';

export const MIN_RELEASE_BYTES = 200 * 1024 ** 2;
/** Enough to show shared and unshared artifacts; more only make the tables longer. */
const MAX_FILES = 24;
/** Smaller files show nothing about transfers. */
const MIN_FILE_BYTES = 256 * 1024;
/** Bounds the walk. */
const MAX_ENTRIES = 100_000;
const COMPRESSION_LEVELS = [1, 6, 9] as const;

export type DemoFile = { readonly path: string; readonly name: string; readonly sizeBytes: number };

/** Which release lists a file. */
export type DemoFiles = {
  readonly shared: readonly DemoFile[];
  readonly firstOnly: readonly DemoFile[];
  readonly secondOnly: readonly DemoFile[];
};

export const totalBytes = (files: readonly { readonly sizeBytes: number }[]): number =>
  files.reduce((sum, file) => sum + file.sizeBytes, 0);

/** Chooses the files; compressed copies, if needed, go to `workDirectory`. */
export const chooseDemoFiles = async (
  workDirectory: string,
  { signal }: { signal: AbortSignal },
): Promise<DemoFiles> => {
  const nodePath = await realpath(process.execPath);
  const node: DemoFile = { path: nodePath, name: 'node', sizeBytes: (await stat(nodePath)).size };
  const others = distinctSizes(await dependencyFiles(), [node.sizeBytes]).slice(0, MAX_FILES - 1);
  const every = (third: number) => others.filter((_, index) => index % 3 === third);
  const shared = [node, ...every(1)];
  const firstOnly = every(0);
  for (const level of COMPRESSION_LEVELS) {
    if (totalBytes([...shared, ...firstOnly]) >= MIN_RELEASE_BYTES) break;
    firstOnly.push(await compressed(node, level, workDirectory, signal));
  }
  return { shared, firstOnly, secondOnly: every(2) };
};

/** The largest first. */
const dependencyFiles = async (): Promise<DemoFile[]> => {
  const files: DemoFile[] = [];
  for (const root of await dependencyRoots()) {
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    for (const entry of entries.slice(0, MAX_ENTRIES)) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const { size: sizeBytes } = await stat(path);
      if (sizeBytes >= MIN_FILE_BYTES)
        files.push({ path, name: targetName(relative(root, path)), sizeBytes });
    }
  }
  return files.toSorted((a, b) => b.sizeBytes - a.sizeBytes);
};

/** Of this package, and of the one that it is installed in. */
const dependencyRoots = async (): Promise<string[]> => {
  const packageRoot = await realpath(fileURLToPath(new URL('../../', import.meta.url)));
  const roots = [join(packageRoot, 'node_modules')];
  if (basename(dirname(packageRoot)) === 'node_modules') roots.push(dirname(packageRoot));
  const present = await Promise.all(roots.map(root => stat(root).catch(() => undefined)));
  return roots.filter((_, index) => present[index]?.isDirectory());
};

/** Files of equal length count as one file, so that no content occurs twice. */
const distinctSizes = (files: readonly DemoFile[], taken: readonly number[]): DemoFile[] => {
  const seen = new Set(taken);
  return files.filter(({ sizeBytes }) => {
    if (seen.has(sizeBytes)) return false;
    seen.add(sizeBytes);
    return true;
  });
};

/** A path as one name: target names with folders would be folders in every repository that they are put in. */
const targetName = (path: string): string => path.replace(/[^A-Za-z0-9._+-]+/g, '.').replace(/^\.+/, '');

const compressed = async (
  file: DemoFile,
  level: number,
  workDirectory: string,
  signal: AbortSignal,
): Promise<DemoFile> => {
  const name = `${file.name}.${level}.gz`;
  const path = join(workDirectory, name);
  await namingFull(workDirectory, () =>
    pipeline(createReadStream(file.path), createGzip({ level }), createWriteStream(path), { signal }),
  );
  return { path, name, sizeBytes: (await stat(path)).size };
};
