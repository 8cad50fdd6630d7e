/**
 * The body of a request, directly from node's socket: streamed, counted, and under a deadline for progress.
 *
 * RQ1. A body that is longer than allowed is refused by its Content-Length, before a byte of it is read.
 * RQ2. A client that sent `Expect: 100-continue` receives `100 Continue` only when the handler starts to read, so that it
 *      sends no byte of a refused body.
 * RQ3. A body is complete or throws: cut (`BODY_INCOMPLETE`), slow (`BODY_STALLED`), long (`BODY_TOO_LARGE`).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DepotError } from '../lib/errors.ts';
import { quoted } from '../lib/shown-text.ts';
import { type ProgressDeadline, stallText, watchProgress } from './progress.ts';

export type RawBody = {
  /** The announced bytes; undefined for a chunked body. */
  readonly contentLength: number | undefined;
  /** Iterated once. The reader owns each chunk. Throws DepotError, see RQ3, or the signal's reason. */
  readonly chunks: AsyncIterable<Uint8Array>;
};

export type BodyLimits = { readonly maxBytes: number; readonly progress: ProgressDeadline };

const tooLarge = (maxBytes: number, announced: number | undefined): DepotError =>
  new DepotError(
    'BODY_TOO_LARGE',
    announced === undefined
      ? `the request body is longer than the ${maxBytes} bytes allowed here`
      : `the request body has ${announced} bytes, ${maxBytes} are allowed here`,
    { detail: { max_bytes: maxBytes } },
  );

const incomplete = (received: number, contentLength: number | undefined): DepotError =>
  new DepotError(
    'BODY_INCOMPLETE',
    `the client disconnected after ${received} of ${contentLength ?? 'an unknown number of'} bytes; send the request again`,
    { detail: { received_bytes: received } },
  );

/** @throws DepotError `BODY_TOO_LARGE` (RQ1) */
export const rawBody = (
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
  { signal }: { signal: AbortSignal },
): RawBody => {
  const announced = request.headers['content-length'];
  const contentLength = announced === undefined ? undefined : Number(announced);
  if (contentLength !== undefined && contentLength > limits.maxBytes)
    throw tooLarge(limits.maxBytes, contentLength);
  return { contentLength, chunks: readChunks(request, response, contentLength, limits, signal) };
};

async function* readChunks(
  request: IncomingMessage,
  response: ServerResponse,
  contentLength: number | undefined,
  limits: BodyLimits,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let failure: unknown;
  let ended = request.readableEnded;
  let wake: (() => void) | undefined;
  const fail = (error: unknown): void => {
    failure ??= error;
    wake?.();
  };
  let received = 0;
  const onReadable = (): void => wake?.();
  const onEnd = (): void => {
    ended = true;
    wake?.();
  };
  const onClose = (): void => {
    if (!ended && !request.complete) fail(incomplete(received, contentLength));
    wake?.();
  };
  // When a client disconnects the signal may abort first, with a less specific reason.
  const onAbort = (): void =>
    fail(request.socket.destroyed ? incomplete(received, contentLength) : signal.reason);

  using watch = watchProgress(limits.progress, () =>
    fail(
      new DepotError('BODY_STALLED', `the client sent ${stallText(limits.progress)}; send the request again`),
    ),
  );
  request.on('readable', onReadable).on('end', onEnd).on('error', onClose).on('close', onClose);
  signal.addEventListener('abort', onAbort);
  try {
    if (signal.aborted) throw signal.reason;
    if (expectsContinue(request) && !response.headersSent) response.writeContinue();
    if (request.destroyed && !request.complete) throw incomplete(received, contentLength);
    for (;;) {
      if (failure !== undefined) throw failure;
      const chunk: Buffer | null = request.read();
      if (chunk !== null) {
        received += chunk.byteLength;
        watch.moved(chunk.byteLength);
        if (received > limits.maxBytes) throw tooLarge(limits.maxBytes, undefined);
        yield chunk;
      } else if (ended || request.readableEnded) {
        return;
      } else {
        watch.waiting();
        await new Promise<void>(resolve => {
          wake = resolve;
        });
        wake = undefined;
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    request.off('readable', onReadable).off('end', onEnd).off('error', onClose).off('close', onClose);
  }
}

/** The client waits for a `100 Continue` before it sends the body. */
export const expectsContinue = (request: IncomingMessage): boolean =>
  request.headers.expect?.toLowerCase() === '100-continue';

/**
 * A body that is a file has its bytes alone: not a form around them, as of browsers and of `curl --form`, and not compressed on
 * the way, whose hash nobody would know.
 *
 * @throws DepotError `INVALID_REQUEST`, before a byte is received
 */
export const requireBareFile = ({ headers }: IncomingMessage): void => {
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  if (/^\s*multipart\//i.test(type))
    throw notBare(`the body is a form (${quoted(type.trim())}), and has to be the file itself`);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && !/^\s*identity\s*$/i.test(encoding))
    throw notBare(
      `the body is encoded (Content-Encoding: ${quoted(encoding)}), and has to be the file as it is`,
    );
};

const notBare = (message: string): DepotError =>
  new DepotError(
    'INVALID_REQUEST',
    `${message}: send it as the body of the request, as curl --upload-file FILE does, or for a release use tuf-depot repo upload FILE`,
  );

/** A body that is short enough for the memory, by the limit of its route. @throws as {@link RawBody.chunks} */
export const readWholeBody = async ({ chunks }: Pick<RawBody, 'chunks'>): Promise<Buffer> => {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
};

/** Reads a whole JSON body. @throws DepotError `INVALID_REQUEST`, and as {@link RawBody.chunks} */
export const readJsonBody = async (request: IncomingMessage, body: RawBody): Promise<unknown> => {
  const contentType = request.headers['content-type'] ?? '';
  // Also refuses cross-site form posts of a browser, which cannot set this type without a preflight.
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType))
    throw new DepotError(
      'INVALID_REQUEST',
      'the request body has to be JSON: send Content-Type: application/json',
    );
  const bytes = await readWholeBody(body);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new DepotError('INVALID_REQUEST', 'the request body is not valid JSON', { cause });
  }
};
