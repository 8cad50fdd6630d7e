/** The two folders of a release archive as sources of files. */
import type { Archive } from '../archive/archive.ts';
import { DepotError } from '../lib/errors.ts';
import { type MetadataSource, rootVersions } from '../tuf/repository.ts';
import type { LocatedTarget } from './targets.ts';

export const METADATA_FOLDER = 'repo/metadata/';

export type ListedSource = MetadataSource & { readonly list: () => readonly string[] };

export const folderSource = (archive: Archive, folder: string, signal: AbortSignal): ListedSource => ({
  async read(fileName, maxBytes) {
    const entry = archive.entries.get(`${folder}${fileName}`);
    return entry === undefined ? undefined : archive.readWhole(entry, maxBytes, { signal });
  },
  list: () =>
    [...archive.entries.keys()]
      .filter(name => name.startsWith(folder))
      .map(name => name.slice(folder.length)),
});

export type RecordingSource = {
  readonly source: ListedSource;
  readonly readNames: ReadonlySet<string>;
};

/** Remembers the requested names, so that unsigned files can be listed. @throws `METADATA_MISSING` without any */
export const recording = (inner: ListedSource): RecordingSource => {
  const readNames = new Set<string>();
  const list = inner.list();
  if (list.length === 0) {
    throw new DepotError(
      'METADATA_MISSING',
      `the archive holds no TUF repository: it has nothing below ${METADATA_FOLDER}`,
    );
  }
  const source: ListedSource = {
    read(fileName, maxBytes) {
      readNames.add(fileName);
      return inner.read(fileName, maxBytes);
    },
    list: () => list,
  };
  return { source, readNames };
};

/** Older roots count as signed: a client that trusts an older one needs them, whichever this one started from. */
export const unsignedEntries = (
  archive: Archive,
  { source, readNames }: RecordingSource,
  located: readonly LocatedTarget[],
): readonly string[] => {
  const metadataNames = [...readNames, ...rootVersions(source).map(version => `${version}.root.json`)];
  const known = new Set([
    ...metadataNames.map(name => `${METADATA_FOLDER}${name}`),
    ...located.map(({ entry }) => entry.name),
  ]);
  return [...archive.entries.keys()].filter(name => !known.has(name));
};
