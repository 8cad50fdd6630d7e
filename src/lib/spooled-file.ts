/**
 * A file that a person names and that is read by position, although it may be a pipe:
 *
 *     regular file ─▶ itself
 *     pipe, socket, device, standard input ─▶ copied to a temporary file ─▶ that file
 *
 * SPF1. The temporary file loses its name before the first byte: however the process ends, nothing is left of it.
 * SPF2. It has at most `maxBytes`, and leaves {@link RESERVE_BYTES} free on the file system of temporary files.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream, fstatSync, open as openCallback } from 'node:fs';
import { type FileHandle, open, stat, statfs, unlink } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { DepotError } from './errors.ts';
import { namingFull } from './real-disk.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** More than any archive that is read: the limit of all of its entries is 8 GiB. */
const MAX_SPOOLED_BYTES = 9 * GIB;
const RESERVE_BYTES = 64 * MIB;
/** Between two looks at the free space. */
const LOOK_BYTES = 16 * MIB;

/** Names of standard input: it may be a socket, which has no path that opens. */
const STANDARD_INPUT: ReadonlySet<string> = new Set(['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0']);

export type SpooledFile = AsyncDisposable & {
  /** Of a regular file, until it is disposed of. */
  readonly path: string;
};

export type SpoolOptions = {
  readonly signal: AbortSignal;
  readonly stdin?: (Readable & { readonly isTTY?: boolean }) | undefined;
  readonly maxBytes?: number;
  /** Of temporary files. */
  readonly directory?: string;
};

/**
 * @param path absolute, or a name of standard input; one that cannot be looked at stays, for the error of its reader
 * @throws DepotError `IO`, `NO_SPACE`, `USAGE` for a terminal; the signal's reason
 */
export const spooledFile = async (path: string, options: SpoolOptions): Promise<SpooledFile> => {
  const itself: SpooledFile = { path, [Symbol.asyncDispose]: async () => undefined };
  const found = path === '-' ? undefined : await stat(path).catch(() => undefined);
  if (path !== '-' && (found === undefined || found.isFile() || found.isDirectory())) return itself;
  const { stdin } = options;
  const source = STANDARD_INPUT.has(path) && stdin !== undefined ? stdin : await openStream(path);
  if ('isTTY' in source && source.isTTY === true)
    throw new DepotError(
      'USAGE',
      'standard input is a terminal, not a file: redirect a file or a pipe to it',
    );
  return await spool(source, path, options);
};

/**
 * A pipe or a device as a stream that ends at once when it is destroyed: a read of a file would wait for the writer.
 *
 * @throws DepotError `IO`
 */
export const openStream = async (path: string): Promise<Readable> => {
  try {
    const fd = await openDescriptor(path, 'r');
    return fstatSync(fd).isFIFO()
      ? new Socket({ fd, readable: true, writable: false })
      : createReadStream(path, { fd });
  } catch (cause) {
    throw new DepotError('IO', `cannot read ${path}`, { cause });
  }
};

const openDescriptor = promisify(openCallback);

/** Whether a name of the command line leads to a pipe or a device, of which a second command cannot read the same. */
export const isPassingName = (path: string): boolean => path === '-' || /^\/(dev|proc)\//.test(path);

const spool = async (source: Readable, name: string, options: SpoolOptions): Promise<SpooledFile> => {
  const { signal, maxBytes = MAX_SPOOLED_BYTES, directory = tmpdir() } = options;
  const file = await namingFull(directory, () => openNameless(directory)).catch((cause: unknown) => {
    throw cannotSpool(name, directory, cause);
  });
  const cut = () => source.destroy(new Error('interrupted'));
  signal.addEventListener('abort', cut, { once: true });
  try {
    signal.throwIfAborted();
    await copy(source, file, { name, directory, maxBytes });
    signal.throwIfAborted();
  } catch (error) {
    await file.close();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', cut);
    source.destroy();
  }
  return { path: `/proc/self/fd/${file.fd}`, [Symbol.asyncDispose]: () => file.close() };
};

const openNameless = async (directory: string): Promise<FileHandle> => {
  const path = join(directory, `tuf-depot-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
};

type Copy = { readonly name: string; readonly directory: string; readonly maxBytes: number };

const copy = async (
  source: Readable,
  file: FileHandle,
  { name, directory, maxBytes }: Copy,
): Promise<void> => {
  let written = 0;
  let lookedAt = -LOOK_BYTES;
  const chunks = source[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((cause: unknown) => {
      throw new DepotError('IO', `cannot read ${name}`, { cause });
    });
    if (next.done === true) return;
    const chunk = next.value as Uint8Array;
    if (written + chunk.length > maxBytes)
      throw new DepotError('IO', `${name} has more than ${maxBytes} bytes; save it to a file, and name that`);
    if (written - lookedAt >= LOOK_BYTES) {
      await requireSpace(name, directory, written);
      lookedAt = written;
    }
    await namingFull(directory, () => file.writeFile(chunk)).catch((cause: unknown) => {
      throw cannotSpool(name, directory, cause);
    });
    written += chunk.length;
  }
};

const requireSpace = async (name: string, directory: string, written: number): Promise<void> => {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= RESERVE_BYTES + LOOK_BYTES) return;
  const text = `after ${written} bytes, ${bavail * bsize} are free, of which ${RESERVE_BYTES} stay free`;
  throw cannotSpool(name, directory, new DepotError('NO_SPACE', text));
};

const cannotSpool = (name: string, directory: string, cause: unknown): DepotError =>
  new DepotError(
    cause instanceof DepotError ? cause.code : 'IO',
    `cannot copy ${name}, which is no regular file, to a temporary file in ${directory}`,
    {
      cause,
      detail: {
        remedy: 'save it to a file and name that, or set TMPDIR to a directory on a disk with space',
      },
    },
  );
