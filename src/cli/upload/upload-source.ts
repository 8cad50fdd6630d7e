/** Where the bytes of an upload come from: a file, whose size is known, or a pipe, such as standard input. */
import { open, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { DepotError } from '../../lib/errors.ts';
import { openStream } from '../../lib/spooled-file.ts';

export type UploadSource = AsyncDisposable & {
  /** Undefined for a pipe. */
  readonly sizeBytes: number | undefined;
  /** From its first byte; more than once only if `isRepeatable`. */
  readonly chunks: () => AsyncIterable<Uint8Array>;
  /** A file can be sent again, a pipe cannot. */
  readonly isRepeatable: boolean;
};

/** Large reads keep the disk ahead of the socket. */
const CHUNK_BYTES = 1024 * 1024;

/** A regular file, or what can be read once: a pipe, as of a process substitution. @throws `IO` */
export const openUploadFile = async (path: string): Promise<UploadSource> => {
  const failure = (cause: unknown) => new DepotError('IO', `cannot read ${path}`, { cause });
  const found = await stat(path).catch(() => undefined);
  if (found?.isFIFO() === true || found?.isSocket() === true) {
    return readOnce(await openStream(path), failure);
  }
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw failure(cause);
  });
  const opened = await handle.stat();
  if (!opened.isFile()) {
    await handle.close();
    throw failure(new Error('it is not a regular file'));
  }
  return {
    sizeBytes: opened.size,
    isRepeatable: true,
    chunks: () =>
      readFailuresAs(
        handle.createReadStream({ start: 0, highWaterMark: CHUNK_BYTES, autoClose: false }),
        failure,
      ),
    [Symbol.asyncDispose]: () => handle.close(),
  };
};

export const standardInput = (stdin: Readable): UploadSource =>
  readOnce(stdin, cause => new DepotError('IO', 'cannot read standard input', { cause }));

const readOnce = (source: Readable, failure: (cause: unknown) => DepotError): UploadSource => ({
  sizeBytes: undefined,
  isRepeatable: false,
  chunks: () => readFailuresAs(source, failure),
  [Symbol.asyncDispose]: async () => void source.destroy(),
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
