/** Small files, read and replaced whole, over the store's disk; the recipe is that of `lib/durable-file.ts`. */
import { dirname } from 'node:path';
import { temporaryPathFor } from '../../lib/durable-file.ts';
import { type Disk, systemErrorIs } from './disk.ts';

/** Undefined when there is no such file; a longer one than `maxBytes` is an error. */
export const readWhole = async (disk: Disk, path: string, maxBytes: number): Promise<string | undefined> => {
  const file = await disk.openFile(path).catch((error: unknown) => {
    if (systemErrorIs(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const sizeBytes = await file.sizeBytes();
    if (sizeBytes > maxBytes) throw new Error(`${path} has ${sizeBytes} bytes, more than ${maxBytes}`);
    const content = new Uint8Array(sizeBytes);
    const filled = await file.read(content, 0);
    return new TextDecoder().decode(content.subarray(0, filled));
  } finally {
    await file.close();
  }
};

/** After a failure the old content stands, or the new one: never a mixture. */
export const writeWhole = async (disk: Disk, path: string, content: string): Promise<void> => {
  const temporaryPath = temporaryPathFor(path);
  const file = await disk.createFile(temporaryPath);
  try {
    try {
      await file.write(new TextEncoder().encode(content), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(temporaryPath, path);
  } catch (error) {
    await disk.unlink(temporaryPath).catch(() => undefined);
    throw error;
  }
  await disk.syncDirectory(dirname(path));
};
