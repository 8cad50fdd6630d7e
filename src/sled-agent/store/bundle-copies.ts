/**
 * The files of bundles on all datasets together: written everywhere, copied to a dataset that lacks one.
 *
 * BP1. A damaged file is removed when it is read, and copied again from another dataset; without a whole one the bundle is missing.
 * BP2. All bundles together have a limit, so that a Nexus that lies cannot fill a disk with metadata, nor the memory of this process with
 *      what they list: about as many bytes, again after each start. They do not count to the quota,
 *      which is for artifacts: a dataset that is full of them still takes the metadata without which none of them is served.
 */
import type { Disk } from '../../lib/disk.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Dataset } from './dataset/dataset.ts';
import { writeEverywhere } from './dataset/write-everywhere.ts';
import { bundleSize, bundlesIn, readBundle, removeBundle, writeBundle } from './files/bundle-files.ts';

/** A config lists at most 100,000 artifacts, whose metadata has some 50 MiB; this is ten times that. */
const MAX_BUNDLES_BYTES = 512 * 2 ** 20;

export type BundleCopies = {
  /** Those with a whole file on some dataset. */
  readonly list: () => readonly string[];
  /** Those with a file on an admitted dataset that are not in the list: {@link BundleCopies.read} puts the whole ones there. */
  readonly find: () => Promise<readonly string[]>;
  /** From the first dataset with a whole file; undefined if none has one. */
  readonly read: (bundle: string) => Promise<Uint8Array | undefined>;
  /** Whether all bundles together keep the limit with it (BP2). */
  readonly hasRoom: (bundle: string, sizeBytes: number) => boolean;
  /** @throws `NO_SPACE`, `NO_USABLE_DATASET` when no dataset took it */
  readonly write: (bundle: string, bytes: Uint8Array) => Promise<void>;
  readonly remove: (bundle: string) => Promise<void>;
  /** Writes the missing files. */
  readonly repair: () => Promise<void>;
};

type Deps = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly log: Logger;
  readonly maxBundlesBytes?: number | undefined;
};

type Copies = Deps & {
  /** Length in bytes of each bundle that has a whole file. */
  readonly sizes: Map<string, number>;
  readonly maxBundlesBytes: number;
};

export const createBundleCopies = (deps: Deps): BundleCopies => {
  const { maxBundlesBytes = MAX_BUNDLES_BYTES } = deps;
  const copies: Copies = { ...deps, maxBundlesBytes, sizes: new Map() };
  return {
    list: () => [...copies.sizes.keys()],
    find: () => find(copies),
    read: bundle => read(copies, bundle),
    hasRoom: (bundle, sizeBytes) => totalWith(copies, bundle, sizeBytes) <= maxBundlesBytes,
    write: (bundle, bytes) => write(copies, bundle, bytes),
    remove: bundle => remove(copies, bundle),
    async repair() {
      for (const dataset of copies.datasets) if (dataset.isWritable()) await repairOne(copies, dataset);
    },
  };
};

const find = async (copies: Copies): Promise<readonly string[]> => {
  const found = new Set<string>();
  for (const dataset of copies.datasets)
    for (const bundle of await namesOn(copies, dataset)) found.add(bundle);
  return [...found].filter(bundle => !copies.sizes.has(bundle));
};

const namesOn = async ({ disk }: Copies, dataset: Dataset): Promise<readonly string[]> => {
  try {
    return dataset.isReadable() ? await bundlesIn(disk, dataset.path) : [];
  } catch (error) {
    dataset.reportFailure(error, 'read its directory');
    return [];
  }
};

const read = async (copies: Copies, bundle: string): Promise<Uint8Array | undefined> => {
  for (const dataset of copies.datasets.filter(each => each.isReadable())) {
    const bytes = await readFrom(copies, dataset, bundle);
    if (bytes === undefined) continue;
    copies.sizes.set(bundle, bytes.length);
    return bytes;
  }
  copies.sizes.delete(bundle);
  return undefined;
};

/** Undefined for none, or a damaged one, which is removed (BP1). */
const readFrom = async (
  { disk, log }: Copies,
  dataset: Dataset,
  bundle: string,
): Promise<Uint8Array | undefined> => {
  try {
    if ((await bundleSize(disk, dataset.path, bundle)) === undefined) return undefined;
    const bytes = await readBundle(disk, dataset.path, bundle);
    if (bytes !== undefined) return bytes;
    log.error(
      { dataset: dataset.path, bundle },
      'a file of release metadata is damaged and counts as missing',
    );
    if (dataset.isWritable()) await removeBundle(disk, dataset.path, bundle);
  } catch (error) {
    dataset.reportFailure(error, 'read the metadata of a release');
  }
  return undefined;
};

const totalWith = ({ sizes }: Copies, bundle: string, sizeBytes: number): number =>
  [...sizes].reduce((sum, [each, size]) => sum + (each === bundle ? 0 : size), sizeBytes);

const write = async (copies: Copies, bundle: string, bytes: Uint8Array): Promise<void> => {
  const { disk, datasets, sizes, maxBundlesBytes } = copies;
  const total = totalWith(copies, bundle, bytes.length);
  if (total > maxBundlesBytes)
    throw new DepotError(
      'NO_SPACE',
      `the metadata of all releases would have ${total} bytes; the limit of a sled is ${maxBundlesBytes}`,
    );
  await writeEverywhere(datasets, {
    what: 'the metadata of a release',
    write: ({ path }) => writeBundle(disk, path, bundle, bytes),
  });
  sizes.set(bundle, bytes.length);
};

const remove = async ({ disk, datasets, sizes }: Copies, bundle: string): Promise<void> => {
  sizes.delete(bundle);
  for (const dataset of datasets.filter(each => each.isWritable())) {
    await removeBundle(disk, dataset.path, bundle).catch((error: unknown) =>
      dataset.reportFailure(error, 'remove the metadata of a release'),
    );
  }
};

const repairOne = async (copies: Copies, dataset: Dataset): Promise<void> => {
  const there = new Set(await namesOn(copies, dataset));
  for (const bundle of [...copies.sizes.keys()].filter(each => !there.has(each))) {
    const bytes = await read(copies, bundle);
    if (bytes === undefined || !dataset.isWritable()) continue;
    try {
      await dataset.requirePresent(); // DS3
      await writeBundle(copies.disk, dataset.path, bundle, bytes);
    } catch (error) {
      dataset.reportFailure(error, 'copy the metadata of a release');
    }
  }
};
