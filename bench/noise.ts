/** A file that no cache, compressor or file system makes smaller; its hash comes with it. */
import { createCipheriv, createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { ArtifactHash } from '../src/core/ids.ts';

const MIB = 1024 ** 2;

/** Bytes of a key stream: random numbers would take longer. */
/** @param seed of the bytes: the same ones for the same seed */
export const writeNoise = async (path: string, sizeBytes: number, seed = 1): Promise<ArtifactHash> => {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(MIB);
  await using file = await open(path, 'w');
  for (let written = 0; written < sizeBytes; written += MIB) {
    const chunk = cipher.update(zeros.subarray(0, Math.min(MIB, sizeBytes - written)));
    hash.update(chunk);
    await file.write(chunk);
  }
  await file.sync();
  return ArtifactHash.parse(hash.digest('hex'));
};
