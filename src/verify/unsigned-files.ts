/** Files of an archive that nothing signs: neither metadata that was read nor a target. */
import type { Archive } from '../archive/archive.ts';
import type { ArchiveEntry } from '../archive/content.ts';
import { type ArchiveFolder, METADATA_FOLDER, repositoryElsewhere } from '../archive/release-folders.ts';
import { DepotError } from '../lib/errors.ts';
import { rootVersions } from '../tuf/repository.ts';
import { underEitherName } from '../tuf/role-names.ts';
import type { LocatedTarget } from './targets.ts';

export type RecordingSource = {
  readonly source: ArchiveFolder;
  /** Those that were asked for and are there, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Of these files, in the archive. */
  readonly entryNames: ReadonlySet<string>;
};

/** Remembers what was read, so that unsigned files can be listed. @throws `METADATA_MISSING` without any */
export const recording = (inner: ArchiveFolder, archive: Archive): RecordingSource => {
  const files = new Map<string, Uint8Array>();
  const list = inner.list();
  if (list.length === 0) {
    throw new DepotError(
      'METADATA_MISSING',
      `the archive holds no TUF repository: it has nothing below ${METADATA_FOLDER}${repositoryElsewhere(archive)}`,
    );
  }
  const entryNames = new Set<string>();
  const read = underEitherName(async (name: string, maxBytes: number) => {
    const bytes = await inner.read(name, maxBytes);
    if (bytes !== undefined) entryNames.add(`${METADATA_FOLDER}${name}`);
    return bytes;
  });
  const source: ArchiveFolder = {
    async read(fileName, maxBytes) {
      const bytes = await read(fileName, maxBytes);
      if (bytes !== undefined) files.set(fileName, bytes);
      return bytes;
    },
    list: () => list,
  };
  return { source, files, entryNames };
};

export const unreadEntries = (
  archive: Archive,
  { entryNames }: RecordingSource,
  located: readonly LocatedTarget[],
): readonly ArchiveEntry[] => {
  const read = new Set(entryNames);
  for (const { entry } of located) read.add(entry.name);
  return [...archive.entries.values()].filter(({ name }) => !read.has(name));
};

/** Older roots count as signed: a client that trusts an older one needs them, whichever this one started from. */
export const unsignedEntries = (
  archive: Archive,
  { source, entryNames }: RecordingSource,
  located: readonly LocatedTarget[],
): readonly string[] => {
  const known = new Set([
    ...entryNames,
    ...rootVersions(source).map(version => `${METADATA_FOLDER}${version}.root.json`),
    ...located.map(({ entry }) => entry.name),
  ]);
  return [...archive.entries.keys()].filter(name => !known.has(name));
};
