/**
 * The content of `oxide.json`: `{ "v": "1", "t": type }`, and in zones `{ "v": "1", "t": "layer", "pkg": name, "version": version }`.
 *
 * It proves nothing: a zone whose description cannot be read has the name of its file, and no version.
 */
import { constants, gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { ARCHIVE_LIMITS } from '../archive/limits.ts';
import { overLimit } from '../archive/refusal.ts';
import { readTar, type TarEntry } from '../archive/tar.ts';
import { DepotError } from '../lib/errors.ts';
import { ARCHIVE_DESCRIPTION } from './kinds.ts';

const MAX_DESCRIPTION_BYTES = 64 * 1024;

const Description = z.object({ v: z.literal('1'), t: z.string() });
const LayerDescription = Description.extend({
  t: z.literal('layer'),
  /** Becomes a tag. */
  pkg: z.string().regex(/^[^\p{C}]{1,128}$/u),
  version: z.string().regex(/^[a-zA-Z0-9._+-]{1,63}$/),
});

export type Layer = Pick<z.infer<typeof LayerDescription>, 'pkg' | 'version'>;

/** @throws DepotError `COMPOSITE_INVALID` for an unreadable description */
export const archiveTypeOf = async (entry: TarEntry): Promise<string> => {
  const text = await textOf(entry);
  try {
    return Description.parse(JSON.parse(text)).t;
  } catch (cause) {
    throw new DepotError('COMPOSITE_INVALID', `its ${ARCHIVE_DESCRIPTION} cannot be read`, { cause });
  }
};

const textOf = async (entry: TarEntry): Promise<string> => {
  if (entry.sizeBytes > MAX_DESCRIPTION_BYTES)
    throw overLimit(`the size of ${ARCHIVE_DESCRIPTION} in bytes`, entry.sizeBytes, MAX_DESCRIPTION_BYTES);
  const pieces: Uint8Array[] = [];
  for await (const chunk of entry.content) pieces.push(Uint8Array.from(chunk));
  return Buffer.concat(pieces).toString('utf8');
};

/** Writers put the description first, so that this much of a compressed zone holds it. */
const PEEK_BYTES = 16 * 1024;
/** Deflate makes no more than 1032 bytes of one. */
const MAX_PEEKED_BYTES = PEEK_BYTES * 1032;

/** Reads the beginning of a zone, itself a gzipped tar archive, while it passes. */
export const createLayerPeek = () => {
  const prefix = Buffer.alloc(PEEK_BYTES);
  let filled = 0;
  return {
    see(chunk: Uint8Array): void {
      const taken = chunk.subarray(0, PEEK_BYTES - filled);
      prefix.set(taken, filled);
      filled += taken.length;
    },
    async layer(): Promise<Layer | undefined> {
      try {
        return await layerIn(prefix.subarray(0, filled));
      } catch {
        return undefined;
      }
    },
  };
};

const layerIn = async (compressed: Uint8Array): Promise<Layer | undefined> => {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_PEEKED_BYTES };
  const content = async function* content() {
    yield gunzipSync(compressed, options);
  };
  for await (const entry of readTar(content(), ARCHIVE_LIMITS)) {
    if (entry.name === ARCHIVE_DESCRIPTION) return LayerDescription.parse(JSON.parse(await textOf(entry)));
  }
  return undefined;
};
