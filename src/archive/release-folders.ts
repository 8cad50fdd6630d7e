/** The two folders of a release archive, and each as a source of files. */
import type { Archive } from './archive.ts';

export const METADATA_FOLDER = 'repo/metadata/';
export const TARGETS_FOLDER = 'repo/targets/';

/** Names are below the folder. */
export type ArchiveFolder = {
  /** Undefined if the archive has no such file. */
  readonly read: (fileName: string, maxBytes: number) => Promise<Uint8Array | undefined>;
  readonly list: () => readonly string[];
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
