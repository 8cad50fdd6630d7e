/**
 * Bad copies, quarantined by rename: evidence for the search for the cause, never served, never counted. The name has the
 * known facts, which so survive a restart: `<name>~<time>~<reason>`.
 */
import { join } from 'node:path';
import { type ArtifactHash, isArtifactHash } from '../../../core/ids.ts';
import { type Disk, systemErrorIs } from '../../../lib/disk.ts';

export const QUARANTINE_DIRECTORY = 'quarantine';

/** Evidence is worth keeping, a disk full of it is not: the oldest is deleted first. */
const MAX_QUARANTINED_FILES = 16;

const MAX_REASON_CHARS = 80;
/** In the name of the file, beside a hash and a time: no file system allows more than 255 bytes. */
const MAX_ENCODED_CHARS = 120;

/** Quarantines a file of the dataset. Returns false when it does not exist. */
export const setAside = async (
  disk: Disk,
  directory: string,
  name: string,
  { reason, timeMs }: { reason: string; timeMs: number },
): Promise<boolean> => {
  const quarantine = join(directory, QUARANTINE_DIRECTORY);
  await disk.makeDirectory(quarantine).then(
    // Durable before the first file: a power cut must not lose the folder with the moved files.
    () => disk.syncDirectory(directory),
    (error: unknown) => {
      if (!systemErrorIs(error, 'EEXIST')) throw error;
    },
  );
  const encodedReason = encodeReason(reason);
  try {
    await disk.rename(join(directory, name), join(quarantine, `${name}~${timeMs}~${encodedReason}`));
  } catch (error) {
    if (systemErrorIs(error, 'ENOENT')) return false;
    throw error;
  }
  await disk.syncDirectory(quarantine);
  await disk.syncDirectory(directory);
  const kept = await listAside(disk, directory);
  for (const { fileName } of kept.slice(0, -MAX_QUARANTINED_FILES)) {
    await disk.unlink(join(quarantine, fileName));
  }
  return true;
};

export type AsideFile = { readonly fileName: string; readonly name: string; timeMs: number; reason: string };

/** Oldest first. */
export const listAside = async (disk: Disk, directory: string): Promise<AsideFile[]> => {
  const names = await disk.readDirectory(join(directory, QUARANTINE_DIRECTORY)).catch((error: unknown) => {
    if (systemErrorIs(error, 'ENOENT')) return [];
    throw error;
  });
  return names
    .map(fileName => {
      const [name = '', time, reason = ''] = fileName.split('~');
      return { fileName, name, timeMs: Number(time) || 0, reason: decode(reason) };
    })
    .sort((a, b) => a.timeMs - b.timeMs);
};

/** Removes the oldest evidence. Returns its length; undefined where there is none. */
export const letOldestGo = async (disk: Disk, directory: string): Promise<number | undefined> => {
  const [oldest] = await listAside(disk, directory);
  if (oldest === undefined) return undefined;
  const path = join(directory, QUARANTINE_DIRECTORY, oldest.fileName);
  const sizeBytes = await disk.sizeOf(path);
  await disk.unlink(path);
  return sizeBytes ?? 0;
};

export const isArtifactAside = (file: AsideFile): file is AsideFile & { name: ArtifactHash } =>
  isArtifactHash(file.name);

export const quarantinedBytes = async (disk: Disk, path: string): Promise<number> => {
  const sizes = await Promise.all(
    (await listAside(disk, path)).map(({ fileName }) =>
      disk.sizeOf(join(path, QUARANTINE_DIRECTORY, fileName)),
    ),
  );
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
};

/** A cut in the middle of an escape leaves a name that does not decode. */
/** Of whole characters, so that it can be decoded, and without the mark between the parts of a name. */
const encodeReason = (reason: string): string => {
  let encoded = '';
  for (const character of reason.slice(0, MAX_REASON_CHARS).toWellFormed()) {
    const next = encodeURIComponent(character).replace('~', '%7E');
    if (encoded.length + next.length > MAX_ENCODED_CHARS) break;
    encoded += next;
  }
  return encoded;
};

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
