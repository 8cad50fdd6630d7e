/** Where the bytes of an upload come from: a file, whose size is known, or standard input. */
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { DepotError } from '../../lib/errors.ts';

export type UploadSource = AsyncDisposable & {
  /** Undefined for standard input. */
  readonly sizeBytes: number | undefined;
  /** From its first byte; more than once only if `isRepeatable`. */
  readonly chunks: () => AsyncIterable<Uint8Array>;
  /** A file can be sent again, standard input cannot. */
  readonly isRepeatable: boolean;
};

/** Large reads keep the disk ahead of the socket. */
const CHUNK_BYTES = 1024 * 1024;

/** @throws `IO` */
export const openUploadFile = async (path: string): Promise<UploadSource> => {
  const failure = (cause: unknown) => new DepotError('IO', `cannot read ${path}`, { cause });
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw failure(cause);
  });
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw failure(new Error('it is not a regular file'));
  }
  return {
    sizeBytes: stat.size,
    isRepeatable: true,
    chunks: () =>
      readFailuresAs(
        handle.createReadStream({ start: 0, highWaterMark: CHUNK_BYTES, autoClose: false }),
        failure,
      ),
    [Symbol.asyncDispose]: () => handle.close(),
  };
};

export const standardInput = (stdin: Readable): UploadSource => ({
  sizeBytes: undefined,
  isRepeatable: false,
  chunks: () => readFailuresAs(stdin, cause => new DepotError('IO', 'cannot read standard input', { cause })),
  [Symbol.asyncDispose]: async () => void stdin.destroy(),
});

async function* readFailuresAs(
  source: Readable,
  failure: (cause: unknown) => DepotError,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of source) yield chunk as Uint8Array;
  } catch (cause) {
    throw failure(cause);
  }
}
