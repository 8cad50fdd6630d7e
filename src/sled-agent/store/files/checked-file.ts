/**
 * A small JSON file with a checksum: the store's own records beside the artifacts of a dataset.
 *
 *     { "version": 1, "checksum": "<SHA-256 of the body's JSON>", "body": … }
 *
 * CF1. A file that cannot be read is `damaged` and reported, never treated as absent (B15).
 * CF2. A file of a later format is not changed: overwriting it would lose its content.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Disk } from '../../../lib/disk.ts';
import { readFileWhole } from '../../../lib/durable-file.ts';
import { DepotError, messageChain } from '../../../lib/errors.ts';

export type CheckedFormat<T> = {
  /** For messages, as in "the ledger". */
  readonly what: string;
  readonly version: number;
  readonly maxBytes: number;
  readonly body: z.ZodType<T>;
};

export type CheckedRead<T> =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly body: T }
  | { readonly kind: 'damaged'; readonly reason: string };

const Envelope = z.object({ version: z.number(), checksum: z.string(), body: z.unknown() });

const checksumOf = (body: unknown): string => createHash('sha256').update(JSON.stringify(body)).digest('hex');

export const encodeChecked = (version: number, body: unknown): string =>
  `${JSON.stringify({ version, checksum: checksumOf(body), body })}\n`;

/**
 * Throws an error that describes the fault of the text.
 *
 * @throws `DATASET_VERSION` for a file of a later format
 */
const decodeChecked = <T>(text: string, { what, version, body }: CheckedFormat<T>): T => {
  const envelope = Envelope.parse(JSON.parse(text));
  if (envelope.version > version) {
    throw new DepotError(
      'DATASET_VERSION',
      `${what} has version ${envelope.version}, and this version of tuf-depot reads up to ${version}`,
      { detail: { version: envelope.version } },
    );
  }
  if (checksumOf(envelope.body) !== envelope.checksum) throw new Error('its checksum does not match');
  return body.parse(envelope.body);
};

/** Errors of the disk are thrown; a file with wrong content is `damaged`. @throws `DATASET_VERSION` */
export const readChecked = async <T>(
  disk: Disk,
  path: string,
  format: CheckedFormat<T>,
): Promise<CheckedRead<T>> => {
  const text = await readFileWhole(path, { disk, maxBytes: format.maxBytes });
  if (text === undefined) return { kind: 'none' };
  try {
    return { kind: 'whole', body: decodeChecked(text, format) };
  } catch (error) {
    if (error instanceof DepotError) throw error;
    return { kind: 'damaged', reason: messageChain(error) };
  }
};
