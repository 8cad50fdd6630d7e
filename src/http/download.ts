/**
 * Downloads from foreign servers: whatever they send, a download is bounded and ends.
 *
 *     URL ─▶ (proxy, private CA) ─▶ redirects within the origin ─▶ head ─▶ chunks: counted, paced, timed
 *
 * DL1. Nothing is unbounded: bytes of a body, redirects, the wait for an answer, and silence within a body.
 * DL2. A redirect to another origin is refused: a server must not choose other hosts that this one connects to.
 * DL3. A resumed download sends If-Range: the server sends exactly the rest of the same file, as far as it can tell, or
 *      starts over. The caller checks the bytes, by their hash.
 * DL4. Nothing is retried here (P6).
 */
import { getCACertificates } from 'node:tls';
import { type Dispatcher, EnvHttpProxyAgent, ProxyAgent, request as undiciRequest } from 'undici';
import { systemClock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { createPacer, type Pacer } from '../lib/pacer.ts';
import { peerFault } from './peer-fault.ts';
import { DEFAULT_PROGRESS, type ProgressDeadline, stallText, watchProgress } from './progress.ts';
import { environmentProxies, proxyAddress } from './proxy-address.ts';

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_ANSWER_TIMEOUT_MS = 30_000;
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** The statuses of an absent file; object stores answer 403 to clients that may not list. */
const ABSENT = new Set([403, 404, 410]);

export type DownloaderOptions = {
  /** `host:port` or `http://user:password@host:port`; by default from HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly proxy?: string | undefined;
  /** PEM certificates that are trusted beside the usual ones. */
  readonly caPem?: string | undefined;
  /** For all downloads together. */
  readonly maxBytesPerSecond?: number | undefined;
  readonly connectTimeoutMs?: number;
  /** From the request to the head of the answer. */
  readonly answerTimeoutMs?: number;
  readonly progress?: ProgressDeadline;
};

/** The part of a file that is already there, and its ETag. */
export type Resume = { readonly offset: number; readonly etag: string | undefined };

type GetOptions = {
  /** Of the whole file, not of the rest. */
  readonly maxBytes: number;
  readonly resume?: Resume | undefined;
  readonly signal: AbortSignal;
};

export type Download = AsyncDisposable & {
  /** Where the chunks begin in the file: the requested offset, or 0 if the server starts over. */
  readonly startByte: number;
  /** Of the whole file, if the server reports it. */
  readonly totalBytes: number | undefined;
  /** A strong ETag, good for a {@link Resume}. */
  readonly etag: string | undefined;
  /** Throws `SOURCE_TOO_LARGE`, `PEER_STALLED`, `PEER_UNREACHABLE` (cut), `PEER_BAD_ANSWER`, the signal's reason. */
  readonly chunks: AsyncIterable<Uint8Array>;
};

export type Downloader = AsyncDisposable & {
  /**
   * Undefined if the server has no such file. Dispose the download in any case.
   *
   * @throws `SOURCE_REDIRECT`, `SOURCE_TOO_LARGE`, `PEER_UNREACHABLE`, `PEER_STALLED`, `PEER_BAD_ANSWER`
   */
  readonly get: (url: string, options: GetOptions) => Promise<Download | undefined>;
};

export const createDownloader = (options: DownloaderOptions = {}): Downloader => {
  const dispatcher = openDispatcher(options);
  const { maxBytesPerSecond: rate } = options;
  const call = {
    dispatcher,
    pacer: rate === undefined ? undefined : createPacer(systemClock, rate),
    answerTimeoutMs: options.answerTimeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS,
    progress: options.progress ?? DEFAULT_PROGRESS,
  };
  return {
    async get(url, wanted) {
      const found = await getOnce(call, url, wanted);
      if (found !== 'range refused') return found;
      const whole = await getOnce(call, url, { ...wanted, resume: undefined });
      if (whole !== 'range refused') return whole;
      throw badAnswer(url, 'it refuses a range that was not requested');
    },
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
};

type Call = {
  readonly dispatcher: Dispatcher;
  readonly pacer: Pacer | undefined;
  readonly answerTimeoutMs: number;
  readonly progress: ProgressDeadline;
};

const openDispatcher = ({ proxy, caPem, connectTimeoutMs }: DownloaderOptions): Dispatcher => {
  const timeout = connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const tls = { timeout, ...(caPem !== undefined && { ca: [...getCACertificates('default'), caPem] }) };
  const agent = { connect: tls, requestTls: tls, proxyTls: tls, headersTimeout: 0, bodyTimeout: 0 };
  return proxy === undefined
    ? new EnvHttpProxyAgent({ ...agent, ...environmentProxies(process.env) })
    : new ProxyAgent({ ...agent, uri: proxyAddress(proxy, 'the proxy that is set') });
};

const getOnce = async (
  call: Call,
  firstUrl: string,
  { maxBytes, resume, signal }: GetOptions,
): Promise<Download | undefined | 'range refused'> => {
  let url = firstUrl;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const { response, stop } = await ask(call, url, resume, signal);
    const { statusCode: status } = response;
    if (status === 200 || status === 206) {
      try {
        return download(call, url, response, stop, { maxBytes, resume, signal });
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }
    await response.body.dump({ limit: MAX_ERROR_BYTES, signal }).catch(() => undefined);
    stop.abort();
    if (ABSENT.has(status)) return undefined;
    if (status === 416 && resume !== undefined) return 'range refused';
    if (!REDIRECTS.has(status)) throw badStatus(url, status, headerText(response.headers['retry-after']));
    url = redirectTarget(url, headerText(response.headers.location));
  }
  throw badAnswer(firstUrl, `it redirects more than ${MAX_REDIRECTS} times`);
};

/** Of an answer that is not the file: read, so that the connection can be reused. */
const MAX_ERROR_BYTES = 64 * 1024;

type Answer = { readonly response: Dispatcher.ResponseData; readonly stop: AbortController };

/** Until the head of the answer; `stop` ends the rest. */
const ask = async (
  { dispatcher, answerTimeoutMs }: Call,
  url: string,
  resume: Resume | undefined,
  signal: AbortSignal,
): Promise<Answer> => {
  signal.throwIfAborted();
  const stop = new AbortController();
  const text = `${hostOf(url)} did not begin to answer within ${answerTimeoutMs / 1000} s`;
  const timer = setTimeout(() => stop.abort(new DepotError('PEER_STALLED', text)), answerTimeoutMs);
  try {
    const response = await undiciRequest(url, {
      dispatcher,
      signal: AbortSignal.any([signal, stop.signal]),
      headers: {
        'accept-encoding': 'identity',
        'user-agent': 'tuf-depot',
        ...(resume !== undefined && { range: `bytes=${resume.offset}-` }),
        ...(resume?.etag !== undefined && { 'if-range': resume.etag }),
      },
    });
    return { response, stop };
  } catch (error) {
    signal.throwIfAborted();
    throw stop.signal.aborted ? stop.signal.reason : peerFault(error, hostOf(url));
  } finally {
    clearTimeout(timer);
  }
};

/** DL2. */
const redirectTarget = (url: string, location: string | undefined): string => {
  if (location === undefined || !URL.canParse(location, url))
    throw badAnswer(url, 'it redirects without a Location');
  const target = new URL(location, url);
  if (target.origin === new URL(url).origin) return target.href;
  throw new DepotError(
    'SOURCE_REDIRECT',
    `${hostOf(url)} redirects ${new URL(url).pathname} to ${shownUrl(target)}, another origin; give the address that it redirects to, if you trust it`,
    { detail: { url, location: target.href } },
  );
};

const download = (
  call: Call,
  url: string,
  response: Dispatcher.ResponseData,
  stop: AbortController,
  { maxBytes, resume, signal }: GetOptions,
): Download => {
  const { headers } = response;
  const encoding = headerText(headers['content-encoding']) ?? 'identity';
  if (encoding !== 'identity')
    throw badAnswer(
      url,
      `it sends the Content-Encoding ${JSON.stringify(encoding.slice(0, 40))}, which was not requested`,
    );
  const { startByte, totalBytes } = extent(url, response, resume);
  if (totalBytes !== undefined && totalBytes > maxBytes) throw tooLarge(url, maxBytes, totalBytes);
  const etag = headerText(headers.etag);
  const limit = { url, leftBytes: maxBytes - startByte, maxBytes };
  return {
    startByte,
    totalBytes,
    etag: etag !== undefined && /^"[\x21-\x7e]{0,256}"$/.test(etag) ? etag : undefined,
    chunks: readChunks(call, response.body, stop, limit, signal),
    async [Symbol.asyncDispose]() {
      stop.abort(new DepotError('PEER_UNREACHABLE', 'the download was aborted'));
      response.body.on('error', () => undefined);
      response.body.destroy();
    },
  };
};

/** The range of the body within the whole file (DL3). */
const extent = (
  url: string,
  { statusCode, headers }: Dispatcher.ResponseData,
  resume: Resume | undefined,
): { readonly startByte: number; readonly totalBytes: number | undefined } => {
  const length = headerText(headers['content-length']);
  const lengthBytes = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
  if (statusCode === 200) return { startByte: 0, totalBytes: lengthBytes };
  const range = headerText(headers['content-range']) ?? 'absent';
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(range) ?? [];
  const isRest =
    resume !== undefined && Number(first) === resume.offset && Number(last) === Number(total) - 1;
  if (!isRest) throw badAnswer(url, `its Content-Range is ${JSON.stringify(range.slice(0, 80))}`);
  return { startByte: resume.offset, totalBytes: Number(total) };
};

async function* readChunks(
  { pacer, progress }: Call,
  body: Dispatcher.ResponseData['body'],
  stop: AbortController,
  { url, leftBytes, maxBytes }: { url: string; leftBytes: number; maxBytes: number },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const peer = hostOf(url);
  using watch = watchProgress(progress, () =>
    stop.abort(new DepotError('PEER_STALLED', `${peer} sent ${stallText(progress)}`)),
  );
  let left = leftBytes;
  try {
    watch.waiting();
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      watch.moved(chunk.byteLength);
      left -= chunk.byteLength;
      if (left < 0) throw tooLarge(url, maxBytes, undefined);
      yield chunk;
      await pacer?.passed(chunk.byteLength, { signal });
      watch.waiting();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (stop.signal.aborted) throw stop.signal.reason;
    throw peerFault(error, peer);
  }
}

const hostOf = (url: string): string => new URL(url).host;

const headerText = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;

/** Of an address that a server chose. */
const MAX_SHOWN_URL = 200;
const shownUrl = ({ href }: URL): string =>
  href.length > MAX_SHOWN_URL ? `${href.slice(0, MAX_SHOWN_URL)}…` : href;

const MAX_RETRY_AFTER_S = 86_400;

/** Seconds, or a date; undefined for anything else. */
const retryAfterSeconds = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : (Date.parse(text) - systemClock.nowMs()) / 1000;
  return seconds > 0 ? Math.ceil(Math.min(seconds, MAX_RETRY_AFTER_S)) : undefined;
};

const badStatus = (url: string, status: number, retryAfter: string | undefined): DepotError => {
  const seconds = retryAfterSeconds(retryAfter);
  const { code, message, detail } = badAnswer(
    url,
    `it answers with status ${status}${seconds === undefined ? '' : `, and asks to wait for ${seconds} s`}`,
  );
  return new DepotError(code, message, {
    detail: { ...detail, ...(seconds !== undefined && { retry_after_secs: seconds }) },
  });
};

const badAnswer = (url: string, what: string): DepotError =>
  new DepotError(
    'PEER_BAD_ANSWER',
    `${hostOf(url)} does not serve ${new URL(url).pathname} as a file: ${what}`,
    {
      detail: { url },
    },
  );

const tooLarge = (url: string, maxBytes: number, announced: number | undefined): DepotError => {
  const has = announced === undefined ? `sends more than ${maxBytes} bytes` : `has ${announced} bytes`;
  return new DepotError(
    'SOURCE_TOO_LARGE',
    `${url} ${has}, more than the ${maxBytes} that are allowed or signed`,
    {
      detail: { url, limit_bytes: maxBytes },
    },
  );
};
