/**
 * Serves one file over HTTP/1.1: Range, HEAD, conditional requests, and bytes at the speed of the disk.
 *
 *     disk ─▶ two buffers, reused ─▶ socket
 *
 * FB1. A buffer is filled again only after the socket has taken its bytes (the write callback).
 * FB2. Memory per transfer is two buffers, whatever the file's size (S17).
 * FB3. A file is never sent shorter than announced: on a read error the connection is cut, so that the client
 *      sees an incomplete answer instead of a wrong one.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DepotError } from '../lib/errors.ts';
import { endResponse } from './answers.ts';
import { type ProgressDeadline, stallText, watchProgress } from './progress.ts';

/** The answer of a handler with a `stream` response. It is disposed after the answer. */
export type FileAnswer = AsyncDisposable & {
  readonly sizeBytes: number;
  /** Without quotes; it identifies the content, which never changes under this name. */
  readonly etag: string;
  /** The first bytes may come late: the head is sent before them. */
  readonly headFirst?: boolean;
  /** Fills `target` from `position` as far as the file goes, or less of it; resolves with the number of bytes. */
  readonly read: (target: Uint8Array, position: number) => Promise<number>;
};

/** Measured best between 256 KiB and 1 MiB: smaller ones cost calls, larger ones leave the CPU's cache. */
const BUFFER_SIZE_BYTES = 512 * 1024;

type Range = { readonly first: number; readonly last: number };

/** Sends the head and the body. Does not close the file. @throws DepotError `RANGE_NOT_SATISFIABLE`, `BODY_STALLED` */
export const sendFile = async (
  request: IncomingMessage,
  response: ServerResponse,
  file: FileAnswer,
  { progress, signal }: { progress: ProgressDeadline; signal: AbortSignal },
): Promise<void> => {
  const etag = `"${file.etag}"`;
  const identity = {
    etag,
    'accept-ranges': 'bytes',
    'cache-control': 'public, max-age=31536000, immutable',
  };
  if (listsEtag(request.headers['if-none-match'], etag)) {
    response.writeHead(304, identity);
    return endResponse(response);
  }
  const ifRange = request.headers['if-range'];
  const wanted = ifRange === undefined || ifRange === etag ? request.headers.range : undefined;
  const range = parseRange(wanted, file.sizeBytes);
  if (range === 'unsatisfiable') {
    response.setHeader('content-range', `bytes */${file.sizeBytes}`);
    throw new DepotError(
      'RANGE_NOT_SATISFIABLE',
      `no byte of "${wanted}" exists: there are ${file.sizeBytes} bytes`,
      {
        detail: { size_bytes: file.sizeBytes },
      },
    );
  }
  const { first, last } = range ?? { first: 0, last: file.sizeBytes - 1 };
  response.writeHead(range === undefined ? 200 : 206, {
    ...identity,
    ...(range !== undefined && { 'content-range': `bytes ${first}-${last}/${file.sizeBytes}` }),
    'content-type': 'application/octet-stream',
    'content-length': last - first + 1,
  });
  if (file.headFirst === true) response.flushHeaders();
  if (request.method !== 'HEAD') await pump(file, response, { first, last }, { progress, signal });
  await endResponse(response);
};

const pump = async (
  file: FileAnswer,
  response: ServerResponse,
  { first, last }: Range,
  { progress, signal }: { progress: ProgressDeadline; signal: AbortSignal },
): Promise<void> => {
  const sizeBytes = last - first + 1;
  let stalled: DepotError | undefined;
  using watch = watchProgress(progress, () => {
    stalled = new DepotError('BODY_STALLED', `the client took ${stallText(progress)} of the answer`);
    response.destroy(stalled);
  });
  const newBuffer = () => Buffer.allocUnsafeSlow(Math.min(BUFFER_SIZE_BYTES, Math.max(1, sizeBytes)));
  const buffers: readonly [Buffer, Buffer] = [newBuffer(), newBuffer()];
  const taken: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
  let offset = first;
  let outstanding = 0;
  try {
    for (let turn: 0 | 1 = 0; offset <= last; turn = turn === 0 ? 1 : 0) {
      await taken[turn];
      signal.throwIfAborted();
      const buffer = buffers[turn];
      const length = Math.min(buffer.byteLength, last - offset + 1);
      const bytesRead = await file.read(buffer.subarray(0, length), offset);
      if (bytesRead === 0)
        throw new DepotError('IO', `the file ends at byte ${offset}, before its recorded size`);
      offset += bytesRead;
      outstanding += 1;
      watch.waiting();
      taken[turn] = written(response, buffer.subarray(0, bytesRead), signal).then(() => {
        outstanding -= 1;
        watch.moved(bytesRead);
        if (outstanding > 0) watch.waiting();
      });
      // It is awaited when this buffer is used again, or at the end: until then a rejection must not count as unhandled.
      taken[turn].catch(() => undefined);
    }
    await Promise.all(taken);
  } catch (error) {
    response.destroy();
    throw stalled ?? error;
  }
};

/** The signal also ends the wait: a pipelined answer that never gets the socket has no callback. */
const written = (response: ServerResponse, chunk: Uint8Array, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abandon = (): void => reject(signal.reason);
    signal.addEventListener('abort', abandon, { once: true });
    response.write(chunk, error => {
      signal.removeEventListener('abort', abandon);
      if (error) reject(error);
      else resolve();
    });
  });

const listsEtag = (header: string | undefined, etag: string): boolean =>
  (header ?? '').split(',').some(item => item.trim() === '*' || item.trim().replace(/^W\//, '') === etag);

/** One byte range (RFC 9110, 14.2). For several ranges, another unit, or an invalid value the header is ignored, as the RFC allows. */
const parseRange = (header: string | undefined, sizeBytes: number): Range | undefined | 'unsatisfiable' => {
  const [, from = '', to = ''] =
    /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.replaceAll(/\s/g, '') ?? '') ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') {
    const suffix = Math.min(Number(to), sizeBytes);
    return suffix === 0 ? 'unsatisfiable' : { first: sizeBytes - suffix, last: sizeBytes - 1 };
  }
  const first = Number(from);
  const last = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= sizeBytes ? 'unsatisfiable' : { first, last };
};
