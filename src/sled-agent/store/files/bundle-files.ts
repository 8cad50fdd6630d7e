/**
 * Bundles of release metadata: one file for each on every dataset, known by the SHA-256 of its bytes.
 *
 *     release-metadata-SHA256.json      the bundle, byte for byte
 *
 * BF1. A file whose bytes have another hash than its name is damaged, and counts as missing: a Nexus sends the bundle again.
 */
import { join } from 'node:path';
import { bundleDigest } from '../../../bundle/bundle.ts';
import { MAX_BUNDLE_BYTES } from '../../../core/release-trust.ts';
import { type Disk, unlinkIfThere } from '../../../lib/disk.ts';
import { writeFileDurably } from '../../../lib/durable-file.ts';

const NAME = /^release-metadata-([0-9a-f]{64})\.json$/;

export const isBundleName = (name: string): boolean => NAME.test(name);

const pathOf = (directory: string, bundle: string): string =>
  join(directory, `release-metadata-${bundle}.json`);

/** The bundles that a directory has a file of, whole or not. */
export const bundlesIn = async (disk: Disk, directory: string): Promise<readonly string[]> =>
  (await disk.readDirectory(directory)).flatMap(name => NAME.exec(name)?.[1] ?? []);

export const bundleSize = (disk: Disk, directory: string, bundle: string): Promise<number | undefined> =>
  disk.sizeOf(pathOf(directory, bundle));

/** Undefined for a damaged file (BF1). Errors of the disk are thrown, ENOENT too. */
export const readBundle = async (
  disk: Disk,
  directory: string,
  bundle: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> => {
  const file = await disk.openFile(pathOf(directory, bundle));
  try {
    const sizeBytes = await file.sizeBytes();
    if (sizeBytes > MAX_BUNDLE_BYTES) return undefined;
    const bytes = new Uint8Array(sizeBytes);
    const filled = await file.read(bytes, 0);
    return filled === sizeBytes && bundleDigest(bytes) === bundle ? bytes : undefined;
  } finally {
    await file.close();
  }
};

export const writeBundle = (
  disk: Disk,
  directory: string,
  bundle: string,
  bytes: Uint8Array,
): Promise<void> => writeFileDurably(pathOf(directory, bundle), bytes, { disk });

export const removeBundle = async (disk: Disk, directory: string, bundle: string): Promise<void> => {
  await unlinkIfThere(disk, pathOf(directory, bundle));
  await disk.syncDirectory(directory);
};
