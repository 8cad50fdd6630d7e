/**
 * Contract → client: one typed function per route.
 *
 *     input ─▶ URL, JSON or streamed body ─▶ undici ─▶ answer, bounded ─▶ parsed by the route's schema
 *
 * HP1. Whatever the peer does, the caller gets a parsed answer or a DepotError: with the peer's code if it is a known one,
 *      otherwise PEER_UNREACHABLE, PEER_STALLED or PEER_BAD_ANSWER.
 * HP2. Nothing waits for ever: connecting, answering, and each interval of an upload have deadlines.
 * HP3. Nothing is retried here (P6).
 */
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, request as undiciRequest } from 'undici';
import type { z } from 'zod';
import type { Api, Route } from '../api/route.ts';
import { type ApiVersion, versionHeader } from '../api/versions.ts';
import { DepotError } from '../lib/errors.ts';
import { parseAnswer, peerError, peerName } from './peer-answer.ts';
import { peerFault } from './peer-fault.ts';
import { DEFAULT_PROGRESS, type ProgressDeadline, stallText } from './progress.ts';
import { startUpload, type UploadBody } from './upload-body.ts';

/** The list of a sled with 100,000 artifacts is 8 MiB; the largest page of an operator's list is smaller. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Further calls wait for one of these. Callers limit their concurrency themselves; this is a second limit. */
const MAX_CONNECTIONS_PER_PEER = 64;

export type ClientTimeouts = {
  readonly connectTimeoutMs: number;
  /** From the end of the request to the end of the answer. */
  readonly answerTimeoutMs: number;
  /** While a body is uploaded (B13). */
  readonly progress: ProgressDeadline;
};

export const DEFAULT_CLIENT_TIMEOUTS: ClientTimeouts = {
  connectTimeoutMs: 5_000,
  answerTimeoutMs: 60_000,
  progress: DEFAULT_PROGRESS,
};

export type ClientOptions = {
  /** `http://host:port` or `https://host:port`; an IPv6 host in brackets. */
  readonly baseUrl: string;
  readonly token?: string | undefined;
  readonly timeouts?: Partial<ClientTimeouts>;
  /** Connections shared with other clients; without it the client has its own, closed when it is disposed. */
  readonly dispatcher?: Dispatcher;
};

/** Values of a query as the schema understands them; coerced ones (`unknown` on input) by what they become. */
type QueryInput<Q extends z.ZodType> = {
  readonly [K in keyof z.input<Q>]: unknown extends z.input<Q>[K]
    ? K extends keyof z.output<Q>
      ? z.output<Q>[K]
      : never
    : z.input<Q>[K];
};

type ClientInput<R extends Route> = (R extends { params: infer P extends z.ZodObject }
  ? { readonly params: z.input<P> }
  : unknown) &
  (R extends { query: infer Q extends z.ZodObject } ? { readonly query: QueryInput<Q> } : unknown) &
  (R extends { body: { kind: 'json'; schema: infer S extends z.ZodType } }
    ? { readonly body: z.input<S> }
    : R extends { body: { kind: 'stream' } }
      ? { readonly body: UploadBody }
      : unknown);

type AnswerBody<R extends Route> = R extends { response: { kind: 'json'; schema: infer S extends z.ZodType } }
  ? z.output<S>
  : undefined;

/** The parsed body; with the headers beside it where the route names some. */
type ClientAnswer<R extends Route> = R extends {
  responseHeaders: infer H extends Readonly<Record<string, string>>;
}
  ? { readonly body: AnswerBody<R>; readonly headers: { readonly [K in keyof H]: string | undefined } }
  : AnswerBody<R>;

export type ApiClient<A extends Api> = {
  /** Without the routes that answer with a stream: raw-get.ts fetches those. */
  readonly [K in keyof A['routes'] as A['routes'][K] extends { response: { kind: 'stream' } }
    ? never
    : K]: Call<A['routes'][K]>;
} & AsyncDisposable;

type Call<R extends Route> = ((
  input: ClientInput<R>,
  options: { signal: AbortSignal },
) => Promise<ClientAnswer<R>>) &
  (R extends { revalidates: true } ? Revalidation<R> : unknown);

/** Resolves with undefined if the etag that `ifNoneMatch` names is still right. */
type Revalidation<R extends Route> = (
  input: ClientInput<R> & { readonly ifNoneMatch: string | undefined },
  options: { signal: AbortSignal },
) => Promise<ClientAnswer<R> | undefined>;

/** The deadlines of this file replace undici's own, which also count the delays of this side. */
export const POOL_LIMITS = { connections: MAX_CONNECTIONS_PER_PEER, headersTimeout: 0, bodyTimeout: 0 };

/** Connections to any number of peers, for several clients; close it when the last one is done. */
export const createDispatcher = (
  timeouts: Pick<ClientTimeouts, 'connectTimeoutMs'> = DEFAULT_CLIENT_TIMEOUTS,
): Dispatcher => new Agent({ ...POOL_LIMITS, connect: { timeout: timeouts.connectTimeoutMs } });

export const createApiClient = <A extends Api>(api: A, options: ClientOptions): ApiClient<A> => {
  const timeouts = { ...DEFAULT_CLIENT_TIMEOUTS, ...options.timeouts };
  const dispatcher = options.dispatcher ?? createDispatcher(timeouts);
  const call =
    (route: Route) =>
    (input: ErasedInput, { signal }: { signal: AbortSignal }) =>
      callRoute(route, input, { ...options, version: api.version, timeouts, dispatcher, signal });
  return {
    ...Object.fromEntries(Object.entries(api.routes).map(([name, route]) => [name, call(route)])),
    async [Symbol.asyncDispose]() {
      if (options.dispatcher === undefined) await dispatcher.close();
    },
  } as ApiClient<A>;
};

type ErasedInput = {
  readonly ifNoneMatch?: string | undefined;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
};

type CallOptions = {
  readonly baseUrl: string;
  readonly version: ApiVersion;
  readonly token?: string | undefined;
  readonly timeouts: ClientTimeouts;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
};

const callRoute = async (route: Route, input: ErasedInput, call: CallOptions): Promise<unknown> => {
  const { timeouts, signal } = call;
  signal.throwIfAborted();
  const peer = peerName(call.baseUrl);
  const deadline = new AbortController();
  const stalled = (what: string): void => deadline.abort(new DepotError('PEER_STALLED', `${peer} ${what}`));
  using answerTimer = createAnswerTimer(timeouts.answerTimeoutMs, () =>
    stalled(`did not answer ${route.operationId} within ${timeouts.answerTimeoutMs / 1000} s`),
  );
  const body = route.body?.kind === 'stream' ? (input.body as UploadBody) : undefined;
  const upload =
    body &&
    startUpload(body, timeouts.progress, {
      onStall: () => stalled(`took ${stallText(timeouts.progress)} of the request body`),
      onSent: answerTimer.start,
    });
  if (upload === undefined) answerTimer.start();
  let isUnanswered = call.baseUrl.startsWith('http:');
  try {
    const response = await undiciRequest(routeUrl(call.baseUrl, route, input), {
      method: route.method,
      dispatcher: call.dispatcher,
      signal: AbortSignal.any([signal, deadline.signal]),
      headers: {
        ...requestHeaders(route, call.token, body),
        ...versionHeader(call.version),
        ...(input.ifNoneMatch !== undefined && { 'if-none-match': input.ifNoneMatch }),
      },
      // undici takes any async iterable; its types name only Readable.
      body: (upload?.chunks as Readable | undefined) ?? jsonText(input.body) ?? null,
    });
    isUnanswered = false;
    const text = await boundedText(response.body, peer);
    if (input.ifNoneMatch !== undefined && response.statusCode === 304) return undefined;
    return readAnswer(route, peer, response, text);
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.signal.aborted) throw deadline.signal.reason;
    throw upload?.sourceFailure() ?? peerFault(error, peer, isUnanswered);
  }
};

/** A peer may answer before this side notices the end of the body. After the disposal the timer does not start again. */
const createAnswerTimer = (
  ms: number,
  onTimeout: () => void,
): Disposable & { readonly start: () => void } => {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  return {
    start() {
      if (!isOver) timer = setTimeout(onTimeout, ms);
    },
    [Symbol.dispose]() {
      isOver = true;
      clearTimeout(timer);
    },
  };
};

const jsonText = (value: unknown): string | undefined =>
  value === undefined ? undefined : JSON.stringify(value);

const requestHeaders = (route: Route, token: string | undefined, upload: UploadBody | undefined) => ({
  accept: 'application/json',
  ...(token !== undefined && { authorization: `Bearer ${token}` }),
  ...(route.body?.kind === 'json' && { 'content-type': 'application/json' }),
  ...(upload !== undefined && {
    'content-type': 'application/octet-stream',
    ...(upload.sizeBytes !== undefined && { 'content-length': String(upload.sizeBytes) }),
  }),
});

/** The path's parameters and the query, escaped. */
const routeUrl = (baseUrl: string, route: Route, { params = {}, query = {} }: ErasedInput): string => {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(params[name])),
  );
  const set = Object.entries(query).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(
    set.map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  return `${baseUrl.replace(/\/+$/, '')}${path}${search === '' ? '' : `?${search}`}`;
};

const boundedText = async (body: AsyncIterable<Uint8Array>, peer: string): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > MAX_ANSWER_BYTES)
      throw new DepotError('PEER_BAD_ANSWER', `${peer} answered more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const headerText = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;

const readAnswer = (route: Route, peer: string, response: Dispatcher.ResponseData, text: string): unknown => {
  const { statusCode: status, headers } = response;
  if (status !== route.status)
    throw peerError(peer, { status, text, retryAfter: headerText(headers['retry-after']) });
  const body = route.response.kind === 'json' ? parseAnswer(peer, route.response.schema, text) : undefined;
  if (route.responseHeaders === undefined) return body;
  const named = Object.keys(route.responseHeaders).map(name => [name, headerText(headers[name])]);
  return { body, headers: Object.fromEntries(named) };
};
