/**
 * Answers to requests, errors included: every error body has the shape of the contracts.
 *
 * AN1. An error that is not a {@link DepotError} is a bug of this program: it is logged with its stack, and the client
 *      receives only the request id.
 * AN2. An answer before the end of the request (a refused upload) still reaches the client: the rest of the request is
 *      read for a moment, since closing at once would reset the connection and lose the answer.
 * AN3. A client that does not take its answer loses the connection: the answer is memory of this process.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { ErrorBody } from '../api/wire.ts';
import type { ErrorCode } from '../lib/error-codes.ts';
import { type DepotError, findDepotError, messageChain, reportOf } from '../lib/errors.ts';
import { DEFAULT_PROGRESS, type ProgressDeadline, watchProgress } from './progress.ts';
import { publishedCode } from './published-codes.ts';
import { expectsContinue } from './raw-body.ts';

/** In {@link DepotError.detail}: the seconds until a retry; sent, and received, as `Retry-After`. */
export const RETRY_AFTER_DETAIL = 'retry_after_s';
/** For an error without its own. */
const DEFAULT_RETRY_AFTER_S = 2;

/** How long, and how many bytes of, an unwanted body is read after the answer (AN2). */
const LINGER_MS = 2_000;
const LINGER_BYTES = 8 * 1024 * 1024;

export type ErrorAnswer = {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: ErrorBody;
  /** Unexpected (AN1): logged as an error. */
  readonly isFault: boolean;
};

export type ErrorForm = {
  readonly requestId: string;
  /** `error_code` has the published word (published-codes.ts). */
  readonly inPublishedCodes: boolean;
};

export const errorAnswer = (error: unknown, { requestId, inPublishedCodes }: ErrorForm): ErrorAnswer => {
  const codes = (code: ErrorCode) => ({
    error_code: inPublishedCodes ? publishedCode(code) : code,
    depot_code: code,
  });
  const known = findDepotError(error);
  if (known === undefined) {
    const message = `internal error; see the log of this process for request id ${requestId}`;
    const body = { request_id: requestId, ...codes('INTERNAL'), message };
    return { status: 500, headers: {}, body, isFault: true };
  }
  const { status, code, detail } = known;
  const report = reportOf(error);
  const retryAfterS = detail[RETRY_AFTER_DETAIL];
  const headers: OutgoingHttpHeaders = {};
  if (status === 429 || status === 503)
    headers['retry-after'] = String(
      typeof retryAfterS === 'number' ? Math.ceil(retryAfterS) : DEFAULT_RETRY_AFTER_S,
    );
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  const body = {
    request_id: requestId,
    ...codes(code),
    message: messageChain(known),
    ...(Object.keys(detail).length > 0 && { detail }),
    ...(report.length > 0 && { report: [...report] }),
  };
  return { status, headers, body, isFault: code === 'INTERNAL' };
};

export const sendJson = (
  request: IncomingMessage,
  response: ServerResponse,
  answer: { status: number; headers?: OutgoingHttpHeaders; value: unknown; progress?: ProgressDeadline },
): Promise<void> =>
  sendBytes(request, response, {
    ...answer,
    headers: { 'content-type': 'application/json', ...answer.headers },
    bytes: Buffer.from(JSON.stringify(answer.value)),
  });

/** Ends the response; resolves when the client has received it, or is gone. */
export const sendBytes = async (
  request: IncomingMessage,
  response: ServerResponse,
  answer: {
    status: number;
    headers: OutgoingHttpHeaders;
    bytes: Uint8Array | undefined;
    progress?: ProgressDeadline;
  },
): Promise<void> => {
  if (response.destroyed || response.headersSent) {
    response.destroy();
    return;
  }
  const isWhole = request.complete;
  if (!isWhole) response.setHeader('connection', 'close');
  const length =
    answer.status === 204 || answer.status === 304 ? {} : { 'content-length': answer.bytes?.byteLength ?? 0 };
  response.writeHead(answer.status, { ...answer.headers, ...length });
  if (answer.bytes === undefined || answer.bytes.byteLength === 0) response.flushHeaders();
  else await writeInSlices(response, answer.bytes, answer.progress ?? DEFAULT_PROGRESS);
  if (!isWhole && !expectsContinue(request)) await drainBriefly(request);
  await endResponse(response);
};

/** Small compared with the kernel's buffer, so that progress is noticed. */
const SLICE_BYTES = 64 * 1024;

/** AN3. Resolves when the kernel has it, or the client is gone. */
const writeInSlices = async (
  response: ServerResponse,
  bytes: Uint8Array,
  progress: ProgressDeadline,
): Promise<void> => {
  // A pipelined answer has no socket until the answers before it are sent, which have deadlines of their own.
  if (response.socket === null) {
    response.write(bytes);
    return;
  }
  using watch = watchProgress(progress, () => response.destroy());
  for (let at = 0; at < bytes.byteLength && !response.destroyed; at += SLICE_BYTES) {
    const slice = bytes.subarray(at, at + SLICE_BYTES);
    watch.waiting();
    await taken(response, slice);
    watch.moved(slice.byteLength);
  }
};

const taken = (response: ServerResponse, slice: Uint8Array): Promise<void> =>
  new Promise(resolve => {
    const finish = (): void => {
      response.off('close', finish);
      resolve();
    };
    response.once('close', finish);
    response.write(slice, finish);
  });

/** Ends the response; resolves when the socket has it, or is gone: after that no callback fires. */
export const endResponse = (response: ServerResponse): Promise<void> =>
  new Promise(resolve => {
    if (response.destroyed) return resolve();
    response.once('close', resolve);
    response.end(resolve);
  });

const drainBriefly = (request: IncomingMessage): Promise<void> =>
  new Promise(resolve => {
    let drained = 0;
    const timer = setTimeout(resolve, LINGER_MS);
    const finish = (): void => {
      clearTimeout(timer);
      resolve();
    };
    request.on('data', (chunk: Buffer) => {
      drained += chunk.byteLength;
      if (drained > LINGER_BYTES) finish();
    });
    request.once('end', finish).once('close', finish).once('error', finish);
  });

/** For a request that node could not parse: only the socket is left to write to. */
export const rawErrorAnswer = (error: DepotError, form: ErrorForm): string => {
  const { status, body } = errorAnswer(error, form);
  const text = JSON.stringify(body);
  return (
    `HTTP/1.1 ${status} Error\r\ncontent-type: application/json\r\nconnection: close\r\n` +
    `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
};
