/**
 * Contract → server: routes, parsed requests, typed handlers, errors in one shape, and an end without a cut.
 *
 *     socket ─▶ Fastify (routing) ─▶ token ─▶ params, query, body by zod ─▶ handler ─▶ JSON, file or error
 *
 * H1. A handler sees only what its route's schemas accepted.
 * H2. Bodies and answers of artifacts bypass Fastify's streams: raw-body.ts and file-body.ts.
 * H3. Stopping: no new connection is accepted and a new request is told to go elsewhere (SHUTTING_DOWN);
 *     running ones may finish until the drain deadline, then their signal aborts.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { z } from 'zod';
import type { Route } from '../api/route.ts';
import { DepotError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { errorAnswer, rawErrorAnswer, sendBytes, sendJson } from './answers.ts';
import { type FileAnswer, sendFile } from './file-body.ts';
import type { BoundRoute, Page } from './handlers.ts';
import { formatAddress, type ListenAddress, listenError, requireBearer, requireLoopback } from './listen.ts';
import { DEFAULT_PROGRESS, type ProgressDeadline } from './progress.ts';
import { rawBody, readJsonBody } from './raw-body.ts';

/** A config of 100,000 artifacts with sizes is 15 MiB; nothing else comes near. */
export const MAX_JSON_BODY_BYTES = 32 * 1024 * 1024;
export const DEFAULT_DRAIN_TIMEOUT_MS = 10_000;
/** What aborted requests get to answer before their connections are cut. */
const ABORT_GRACE_MS = 1_000;
/** Bounds file descriptors and memory; a fleet of 1,000 sleds with one connection each fits. */
const MAX_CONNECTIONS = 2_048;
const MAX_PARAM_LENGTH = 256;
const KEEP_ALIVE_TIMEOUT_MS = 30_000;
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'] as const;

export type ServerLimits = {
  readonly jsonBodyBytes: number;
  /** Of a `stream` body: 2 GiB for an artifact, 4 GiB for a repository, unless configured. */
  readonly streamBodyBytes: number;
  /** Of bodies in both directions (B13). */
  readonly progress: ProgressDeadline;
  readonly drainTimeoutMs: number;
};

export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  jsonBodyBytes: MAX_JSON_BODY_BYTES,
  streamBodyBytes: 4 * 1024 ** 3,
  progress: DEFAULT_PROGRESS,
  drainTimeoutMs: DEFAULT_DRAIN_TIMEOUT_MS,
};

export type ServerOptions = {
  /** From `bindApi`. */
  readonly apis: readonly (readonly BoundRoute[])[];
  readonly pages?: readonly Page[];
  /** Port 0: any free one. */
  readonly listen: ListenAddress;
  /** Allows an address that other machines can reach (the loopback rule). */
  readonly insecureListen?: boolean;
  /** Every route but public pages then wants `Authorization: Bearer <token>`. */
  readonly token?: string | undefined;
  readonly limits?: Partial<ServerLimits>;
  readonly log: Logger;
  /** Stops the server as disposing it does. */
  readonly signal: AbortSignal;
};

export type ApiServer = {
  /** `host:port` as bound. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Resolves when the last request is over and the port is free (H3). Idempotent. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** One request under way. */
type Exchange = {
  readonly requestId: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

/** @throws DepotError `LISTEN_NOT_LOOPBACK`, `ADDRESS_IN_USE`, `IO` */
export const serveApi = async (options: ServerOptions): Promise<ApiServer> => {
  const { listen, log } = options;
  requireLoopback(listen, options.insecureListen ?? false);
  const limits = { ...DEFAULT_SERVER_LIMITS, ...options.limits };
  const running = new Map<AbortController, Promise<void>>();
  let stopping = false;

  const exchange = (
    { raw: request, id: requestId }: FastifyRequest,
    reply: FastifyReply,
    work: (exchange: Exchange) => Promise<void>,
    { isPublic }: { isPublic: boolean },
  ): void => {
    reply.hijack();
    const response = reply.raw;
    const controller = new AbortController();
    const whole = runExchange(
      { requestId, request, response, log, signal: controller.signal },
      controller,
      () => {
        if (stopping) throw shuttingDown();
        if (options.token !== undefined && !isPublic) requireBearer(request.headers, options.token);
        return work({ requestId, request, response, log, signal: controller.signal });
      },
    ).finally(() => running.delete(controller));
    running.set(controller, whole);
  };

  const app = createRouter(log);
  const routes = options.apis.flat();
  for (const { route, handle } of routes)
    addRoute(app, [...verbs(route.method)], route.path, (request, reply) =>
      exchange(request, reply, each => answerRoute(each, request, { route, handle }, limits), {
        isPublic: false,
      }),
    );
  for (const page of options.pages ?? [])
    addRoute(app, [...verbs('GET')], page.path, (request, reply) =>
      exchange(request, reply, each => answerPage(each, page), { isPublic: page.isPublic ?? false }),
    );
  const taken = [
    ...routes.map(({ route }) => route),
    ...(options.pages ?? []).map(({ path }) => ({ method: 'GET', path })),
  ];
  for (const path of new Set(taken.map(each => each.path))) {
    const allowed = taken.filter(each => each.path === path).flatMap(each => verbs(each.method));
    const others = METHODS.filter(method => !allowed.includes(method));
    addRoute(app, others, path, (request, reply) =>
      exchange(request, reply, each => refuseMethod(each, allowed), { isPublic: true }),
    );
  }
  app.setNotFoundHandler((request, reply) => exchange(request, reply, refusePath, { isPublic: true }));

  // A request that expects `100 Continue` is handled as any other; raw-body.ts says when to go on.
  app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response));
  app.server.maxConnections = MAX_CONNECTIONS;
  try {
    await app.listen({ host: listen.host, port: listen.port });
  } catch (cause) {
    await app.close();
    throw listenError(cause, listen);
  }
  const bound = app.server.address() as AddressInfo;

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping = true;
    stopped ??= drain(app, running, limits.drainTimeoutMs);
    return stopped;
  };
  const stopOnAbort = (): void => {
    stop().catch(err => log.error({ err }, 'server did not stop cleanly'));
  };
  options.signal.addEventListener('abort', stopOnAbort, { once: true });
  if (options.signal.aborted) stopOnAbort();
  return {
    address: formatAddress({ host: bound.address, port: bound.port }),
    host: bound.address,
    port: bound.port,
    async [Symbol.asyncDispose]() {
      options.signal.removeEventListener('abort', stopOnAbort);
      await stop();
    },
  };
};

const shuttingDown = (): DepotError =>
  new DepotError(
    'SHUTTING_DOWN',
    'this process is stopping; send the request to another one, or again later',
  );

const createRouter = (log: Logger): FastifyInstance => {
  const refuseUnparsed = (cause: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack();
    const error = new DepotError('INVALID_REQUEST', 'the request cannot be routed', { cause });
    const { status, body } = errorAnswer(error, request.id);
    sendJson(request.raw, reply.raw, { status, value: body }).catch(err =>
      log.debug({ err }, 'answer not sent'),
    );
  };
  const app = fastify({
    logger: false,
    genReqId: () => randomUUID(),
    requestTimeout: 0, // bodies have a deadline on progress instead
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    return503OnClosing: false, // answered in our shape: H3
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    frameworkErrors: (error, request, reply) => refuseUnparsed(error, request as never, reply as never),
    clientErrorHandler: (cause: Error, socket: Socket) => {
      const error = new DepotError('INVALID_REQUEST', 'the request is not valid HTTP', { cause });
      if (socket.writable) socket.end(rawErrorAnswer(error, randomUUID()));
      else socket.destroy();
    },
  });
  app.setErrorHandler(refuseUnparsed);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  return app;
};

const verbs = (method: string): readonly string[] => (method === 'GET' ? ['GET', 'HEAD'] : [method]);

const addRoute = (
  app: FastifyInstance,
  method: string[],
  path: string,
  handler: (request: FastifyRequest, reply: FastifyReply) => void,
): void => {
  app.route({ method, url: path.replaceAll(/\{(\w+)\}/g, ':$1'), handler });
};

/** Runs the work of one request; whatever it throws becomes the answer. Never rejects. */
const runExchange = async (
  { requestId, request, response, log }: Exchange,
  controller: AbortController,
  work: () => Promise<void>,
): Promise<void> => {
  const { method, url } = request;
  const clientGone = (): void => {
    if (!response.writableFinished)
      controller.abort(new DepotError('BODY_INCOMPLETE', 'the client went away'));
  };
  request.socket.once('close', clientGone);
  response.on('error', () => undefined); // seen through the write callbacks
  response.setHeader('x-request-id', requestId);
  try {
    await work();
    log.debug({ request_id: requestId, method, url, status: response.statusCode }, 'request answered');
  } catch (error) {
    const { status, headers, body, isFault } = errorAnswer(error, requestId);
    const facts = { request_id: requestId, method, url, status, err: error };
    if (isFault) log.error(facts, 'request failed');
    else log.debug(facts, 'request refused');
    await sendJson(request, response, { status, headers, value: body });
  } finally {
    request.socket.off('close', clientGone);
  }
};

const answerRoute = async (
  { requestId, request, response, log, signal }: Exchange,
  { params, query }: FastifyRequest,
  { route, handle }: BoundRoute,
  limits: ServerLimits,
): Promise<void> => {
  const result = await handle({
    params: parsePart('path parameter', route.params, params),
    query: parsePart('query parameter', route.query, query),
    body: await readBody(request, response, route, limits, signal),
    requestId,
    headers: request.headers,
    log,
    signal,
    setHeader: (name: string, value: string) => response.setHeader(name, value),
  } as never);
  const { status } = route;
  switch (route.response.kind) {
    case 'json':
      return sendJson(request, response, { status, value: result });
    case 'empty':
      return sendBytes(request, response, { status, headers: {}, bytes: undefined });
    case 'stream': {
      await using file = result as FileAnswer;
      return await sendFile(request, response, file, { progress: limits.progress, signal });
    }
    default:
      route.response satisfies never;
  }
};

const readBody = async (
  request: IncomingMessage,
  response: ServerResponse,
  { body }: Route,
  { jsonBodyBytes, streamBodyBytes, progress }: ServerLimits,
  signal: AbortSignal,
): Promise<unknown> => {
  if (body === undefined) return undefined;
  const maxBytes = body.kind === 'json' ? jsonBodyBytes : streamBodyBytes;
  const raw = rawBody(request, response, { maxBytes, progress }, { signal });
  return body.kind === 'json' ? parsePart('body', body.schema, await readJsonBody(request, raw)) : raw;
};

/** More than a few at once help nobody. */
const MAX_ISSUES_NAMED = 5;

const parsePart = (part: string, schema: z.ZodType | undefined, value: unknown): unknown => {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues
    .slice(0, MAX_ISSUES_NAMED)
    .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message));
  throw new DepotError('INVALID_REQUEST', `${part} ${issues.join('; ')}`);
};

const answerPage = async ({ request, response, signal }: Exchange, page: Page): Promise<void> => {
  const content = await page.content({ signal });
  const headers = { 'content-type': page.contentType, ...page.headers };
  await sendBytes(request, response, { status: 200, headers, bytes: Buffer.from(content) });
};

const refusePath = ({ request }: Exchange): Promise<void> => {
  throw new DepotError('NOT_FOUND', `there is nothing at ${request.url?.split('?')[0]}`);
};

const refuseMethod = ({ request, response }: Exchange, allowed: readonly string[]): Promise<void> => {
  response.setHeader('allow', allowed.join(', '));
  throw new DepotError(
    'METHOD_NOT_ALLOWED',
    `${request.method} is not possible here, only ${allowed.join(', ')}`,
  );
};

const drain = async (
  app: FastifyInstance,
  running: ReadonlyMap<AbortController, Promise<void>>,
  drainTimeoutMs: number,
): Promise<void> => {
  const closed = app.close();
  await settledWithin(running, drainTimeoutMs);
  for (const controller of running.keys()) controller.abort(shuttingDown());
  await settledWithin(running, ABORT_GRACE_MS);
  app.server.closeAllConnections();
  await closed;
};

const settledWithin = async (
  running: ReadonlyMap<unknown, Promise<void>>,
  timeoutMs: number,
): Promise<void> => {
  if (running.size === 0) return;
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, timeoutMs);
  await Promise.race([Promise.allSettled(running.values()), timeout.promise]);
  clearTimeout(timer);
};
