/** The two folders of a release archive, and each as a source of files. */
import { quoted } from '../lib/shown-text.ts';
import type { Archive } from './archive.ts';

export const METADATA_FOLDER = 'repo/metadata/';
export const TARGETS_FOLDER = 'repo/targets/';

/** Names are below the folder. */
export type ArchiveFolder = {
  /** Undefined if the archive has no such file. */
  readonly read: (fileName: string, maxBytes: number) => Promise<Uint8Array | undefined>;
  readonly list: () => readonly string[];
};

/** The metadata of a repository, in whatever folder. */
const ANY_METADATA = /^(.*\/)?metadata\/(?:(?:\d+\.)?root|timestamp)\.json$/;

/** The end of a sentence about an archive without {@link METADATA_FOLDER}: where else it has a repository, and how to pack it; or nothing. */
export const repositoryElsewhere = (archive: Archive): string => {
  for (const name of archive.entries.keys()) {
    const [found, folder = ''] = ANY_METADATA.exec(name) ?? [];
    if (found !== undefined)
      return `; it has ${quoted(`${folder}metadata/`)}: pack the folder with metadata/ and targets/ in it under the name repo`;
  }
  return '';
};

export const folderOf = (
  archive: Archive,
  folder: typeof METADATA_FOLDER | typeof TARGETS_FOLDER,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): ArchiveFolder => ({
  async read(fileName, maxBytes) {
    const entry = archive.entries.get(`${folder}${fileName}`);
    return entry === undefined ? undefined : archive.readWhole(entry, maxBytes, { signal });
  },
  list: () =>
    [...archive.entries.keys()]
      .filter(name => name.startsWith(folder))
      .map(name => name.slice(folder.length)),
});
