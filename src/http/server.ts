/**
 * Contract → server: routes, parsed requests, typed handlers, errors in one shape, and a stop that drains requests.
 *
 *     socket ─▶ Fastify (routing) ─▶ guard ─▶ caller ─▶ params, query, body by zod ─▶ handler ─▶ JSON, file or error
 *
 * H1. A handler sees only what its route's schemas accepted.
 * H2. Bodies and answers of artifacts bypass Fastify's streams: raw-body.ts and file-body.ts.
 * H3. Stopping: no new connection is accepted, and a new request is answered SHUTTING_DOWN; running ones may finish until
 *     the drain deadline, then their signal aborts.
 * H4. The running requests of a caller end when its certificate is revoked; each later one is judged at its beginning.
 */
import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type RouteHandlerMethod,
} from 'fastify';
import type { Admission } from '../api/route.ts';
import type { CredentialSource } from '../identity/credentials.ts';
import { serverTls } from '../identity/tls.ts';
import { formatAddress, type SocketAddress } from '../lib/endpoint.ts';
import { DepotError, systemErrorCode } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type ErrorForm, errorAnswer, rawErrorAnswer, sendJson } from './answers.ts';
import { admit, callerOf, connectedOf, type OperatorCheck } from './caller.ts';
import { type Connections, createConnections } from './connections.ts';
import {
  answerPage,
  answerRoute,
  type BodyLimitsByKind,
  type Exchange,
  refuseMethod,
  refusePath,
  runExchange,
} from './exchange.ts';
import type { BoundRoute, Page } from './handlers.ts';
import { listenError, requireLoopback } from './listen.ts';
import type { KnownPeers, PlaceLimits } from './places.ts';
import { DEFAULT_PROGRESS } from './progress.ts';
import { readsPublishedCodes } from './published-codes.ts';
import { type NoteRefusal, showingRefusal } from './refusal.ts';
import { canonicalHost, guardRequest } from './request-guard.ts';
import { createRequestPlaces } from './request-places.ts';
import { createRunningCallers } from './running-callers.ts';

/** Of a route that does not say otherwise: a recovery that gives up 10,000 artifacts by name is 1 MiB. */
const MAX_JSON_BODY_BYTES = 4 * 1024 * 1024;
export const DEFAULT_DRAIN_TIMEOUT_MS = 10_000;
/** The time for aborted requests to answer before their connections are cut. */
const ABORT_GRACE_MS = 1_000;
/**
 * File descriptors and memory limit the total; 1,000 sleds with one connection each fit. One stranger may be a whole network behind
 * one address, or all processes of this machine. The places kept for known peers are enough for every known sled.
 */
const DEFAULT_CONNECTION_LIMITS: PlaceLimits = { total: 2_048, perPeer: 256, kept: 1_024 };
/** Less than connections, which may be idle: a running request costs more, in the database too. */
const DEFAULT_REQUEST_LIMITS: PlaceLimits = { total: 1_024, perPeer: 128, kept: 512 };
/** Of JSON bodies beyond the usual length, which are configs: one of each Nexus, and 32 MiB each at most. */
const LARGE_BODY_LIMITS: PlaceLimits = { total: 8, perPeer: 2, kept: 4 };
/** For the head of a request, from the beginning of its connection, and for the handshake before it: 16 KiB at a few kB/s. */
const DEFAULT_HEAD_TIMEOUT_MS = 15_000;
/** How often connections are examined: a slow head lives this fraction of its timeout longer. */
const HEAD_CHECKS_PER_TIMEOUT = 4;
const MAX_PARAM_LENGTH = 256;
const KEEP_ALIVE_TIMEOUT_MS = 30_000;
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'] as const;

export type ServerLimits = BodyLimitsByKind & {
  readonly drainTimeoutMs: number;
  readonly headTimeoutMs: number;
  readonly connections: PlaceLimits;
  /** That run at once. */
  readonly requests: PlaceLimits;
};

const DEFAULT_SERVER_LIMITS: ServerLimits = {
  jsonBodyBytes: MAX_JSON_BODY_BYTES,
  streamBodyBytes: 4 * 1024 ** 3,
  progress: DEFAULT_PROGRESS,
  drainTimeoutMs: DEFAULT_DRAIN_TIMEOUT_MS,
  headTimeoutMs: DEFAULT_HEAD_TIMEOUT_MS,
  connections: DEFAULT_CONNECTION_LIMITS,
  requests: DEFAULT_REQUEST_LIMITS,
};

export type ServerOptions = {
  /** From `bindApi`. */
  readonly apis: readonly (readonly BoundRoute[])[];
  readonly pages?: readonly Page[];
  /** Port 0: any free one. */
  readonly listen: SocketAddress;
  /** Without TLS: allows an address that other machines can reach (the loopback rule). */
  readonly servesNetworkInPlain?: boolean;
  /** Further names and addresses under which clients reach this server, without ports (RQG1). */
  readonly allowedHosts?: readonly string[];
  /** Addresses for which places are kept (PLC2). */
  readonly knownPeers?: KnownPeers;
  /** Without it, no route or page for operators is served. */
  readonly operators?: OperatorCheck;
  /** TLS, with callers identified by their certificates; without it every process is served that reaches the address. */
  readonly credentials?: CredentialSource | undefined;
  readonly limits?: Partial<ServerLimits>;
  /** Is shown each request that is refused for its caller. */
  readonly onRefused?: NoteRefusal | undefined;
  readonly log: Logger;
  /** Stops the server, like its disposal. */
  readonly signal?: AbortSignal;
};

export type ApiServer = {
  /** `host:port` as bound. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** Resolves when the last request is over and the port is free (H3). Idempotent. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** @throws DepotError `LISTEN_NOT_LOOPBACK`, `ADDRESS_IN_USE`, `IO` */
export const serveApi = async (options: ServerOptions): Promise<ApiServer> => {
  const { listen, log, credentials, operators } = options;
  if (credentials === undefined) requireLoopback(listen, options.servesNetworkInPlain ?? false);
  const self = credentials?.current().identity;
  const limits = { ...DEFAULT_SERVER_LIMITS, ...options.limits };
  const hosts = new Set([listen.host, ...(options.allowedHosts ?? [])].map(canonicalHost));
  const requests = createRequestPlaces(limits.requests, options.knownPeers);
  const running = new Map<AbortController, Promise<void>>();
  const callers = createRunningCallers(credentials?.revocations);
  let stopping = false;

  const run: RunWork = ({ raw: request, id: requestId, params, query }, reply, work, admission) => {
    reply.hijack();
    const controller = new AbortController();
    const { signal } = controller;
    const exchange = { requestId, request, response: reply.raw, log, signal };
    connections.began(request.socket);
    const inPublishedCodes = readsPublishedCodes(request, operators !== undefined);
    const whole = runExchange({ ...exchange, inPublishedCodes }, controller, async () => {
      if (stopping) throw shuttingDown();
      const connected = connectedOf(request, credentials);
      callers.add(controller, connected.peer);
      using _place = requests.take(connected.claimant);
      const seen = { connected, admission, request, signal };
      await showingRefusal(options.onRefused, seen, async judged => {
        guardRequest(request, hosts);
        const caller = await callerOf(request, connected, admission, operators, { signal });
        judged(caller);
        admit(admission, caller, { params, query, self });
        await work({ ...exchange, caller });
      });
    });
    running.set(
      controller,
      whole.finally(() => {
        running.delete(controller);
        callers.remove(controller);
        connections.ended(request.socket);
      }),
    );
  };
  const app = createRouter(log, credentials, { ...limits, inPublishedCodes: operators !== undefined });
  const connections = countConnections(app.server, limits.connections, options);
  const largeBodies = createRequestPlaces(LARGE_BODY_LIMITS, options.knownPeers);
  const routing = { routes: options.apis.flat(), pages: options.pages ?? [] };
  addRoutes(app, { ...routing, limits: { ...limits, largeBodies }, run });
  const bound = await startListening(app, listen);

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping = true;
    stopped ??= drain(app, running, connections, limits.drainTimeoutMs);
    return stopped;
  };
  const stopOnAbort = (): void => {
    stop().catch(err => log.error({ err }, 'server did not stop cleanly'));
  };
  options.signal?.addEventListener('abort', stopOnAbort, { once: true });
  if (options.signal?.aborted) stopOnAbort();
  return {
    address: formatAddress(bound),
    ...bound,
    async [Symbol.asyncDispose]() {
      options.signal?.removeEventListener('abort', stopOnAbort);
      callers[Symbol.dispose]();
      await stop();
    },
  };
};

/** From the beginning of each, and by its certificate from the end of its handshake (CNX3). */
const countConnections = (
  server: FastifyInstance['server'],
  limits: PlaceLimits,
  { knownPeers: known, credentials, log }: ServerOptions,
): Connections => {
  const connections = createConnections(limits, { known, log });
  server.on('connection', connections.opened);
  server.on('secureConnection', socket => {
    const { claimant } = connectedOf({ socket }, credentials);
    if (typeof claimant === 'object') connections.identified(socket, claimant);
  });
  return connections;
};

/** Takes over a request from Fastify and runs its work. */
type RunWork = (
  request: FastifyRequest,
  reply: FastifyReply,
  work: (exchange: Exchange) => Promise<void>,
  admission: Admission,
) => void;

type Routing = {
  readonly routes: readonly BoundRoute[];
  readonly pages: readonly Page[];
  readonly limits: ServerLimits;
  readonly run: RunWork;
};

const addRoutes = (app: FastifyInstance, { routes, pages, limits, run }: Routing): void => {
  const allowed = new Map<string, string[]>();
  const add = (methods: readonly string[], path: string, handler: RouteHandlerMethod): void => {
    allowed.set(path, [...(allowed.get(path) ?? []), ...methods]);
    app.route({ method: [...methods], url: path.replaceAll(/\{(\w+)\}/g, ':$1'), handler });
  };
  for (const bound of routes)
    add(verbs(bound.route.method), bound.route.path, (request, reply) =>
      run(request, reply, each => answerRoute(each, request, bound, limits), bound.route),
    );
  for (const page of pages)
    add(verbs('GET'), page.path, (request, reply) =>
      run(request, reply, each => answerPage(each, page), page),
    );
  for (const [path, methods] of [...allowed]) {
    const others = METHODS.filter(method => !methods.includes(method));
    add(others, path, (request, reply) => run(request, reply, each => refuseMethod(each, methods), ANYBODY));
  }
  app.setNotFoundHandler((request, reply) => run(request, reply, refusePath, ANYBODY));
};

const ANYBODY: Admission = { audience: 'public' };

/** A GET route answers HEAD as well. */
const verbs = (method: string): readonly string[] => (method === 'GET' ? ['GET', 'HEAD'] : [method]);

const startListening = async (app: FastifyInstance, listen: SocketAddress): Promise<SocketAddress> => {
  // A request that expects `100 Continue` is handled like any other; raw-body.ts sends the `100 Continue`.
  app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response));
  try {
    await app.listen({ host: listen.host, port: listen.port });
  } catch (cause) {
    await app.close();
    throw listenError(cause, listen);
  }
  const { address, port } = app.server.address() as AddressInfo;
  return { host: address, port };
};

const shuttingDown = (): DepotError =>
  new DepotError(
    'SHUTTING_DOWN',
    'this process is stopping; send the request to another one, or retry later',
  );

const unreadable = (cause: Error, headTimeoutMs: number): DepotError =>
  systemErrorCode(cause) === 'ERR_HTTP_REQUEST_TIMEOUT'
    ? new DepotError('BODY_STALLED', `no request arrived within ${headTimeoutMs / 1_000} s`)
    : new DepotError('INVALID_REQUEST', 'the request is not valid HTTP', { cause });

/** What is the same of a request with a route and of one without. */
type UnparsedRequest = { readonly id: string; readonly raw: IncomingMessage };
type UnparsedReply = { readonly hijack: () => unknown; readonly raw: ServerResponse };

const createRouter = (
  log: Logger,
  credentials: CredentialSource | undefined,
  { headTimeoutMs, inPublishedCodes }: ServerLimits & Pick<ErrorForm, 'inPublishedCodes'>,
): FastifyInstance => {
  const refuseUnparsed = (cause: unknown, request: UnparsedRequest, reply: UnparsedReply): void => {
    reply.hijack();
    const error = new DepotError('INVALID_REQUEST', 'the request cannot be routed', { cause });
    const { status, body } = errorAnswer(error, { requestId: request.id, inPublishedCodes });
    sendJson(request.raw, reply.raw, { status, value: body }).catch(err =>
      log.debug({ err }, 'answer not sent'),
    );
  };
  const app = fastify({
    logger: false,
    genReqId: () => randomUUID(),
    serverFactory: handler => httpServer(credentials, headTimeoutMs, handler),
    return503OnClosing: false, // answered in our shape: H3
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    frameworkErrors: refuseUnparsed,
    clientErrorHandler: (cause: Error, socket: Socket) => {
      const error = unreadable(cause, headTimeoutMs);
      if (socket.writable) socket.end(rawErrorAnswer(error, { requestId: randomUUID(), inPublishedCodes }));
      else socket.destroy();
    },
  });
  app.setErrorHandler(refuseUnparsed);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  return app;
};

/** `requestTimeout` is 0, since bodies have a deadline for progress instead. */
const SERVER_OPTIONS = { requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS };

const httpServer = (
  credentials: CredentialSource | undefined,
  headTimeoutMs: number,
  handler: RequestListener,
): Server => {
  const options = {
    ...SERVER_OPTIONS,
    headersTimeout: headTimeoutMs,
    connectionsCheckingInterval: Math.ceil(headTimeoutMs / HEAD_CHECKS_PER_TIMEOUT),
  };
  if (credentials === undefined) return createServer(options, handler);
  const tls = { ...serverTls(credentials.current()), handshakeTimeout: headTimeoutMs };
  const server = createTlsServer({ ...options, ...tls }, handler);
  // Without a handshake no answer can be sent: the default would leave the connection to the handler of unreadable requests.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  const change = credentials.onChange(() => server.setSecureContext(serverTls(credentials.current())));
  server.once('close', () => change[Symbol.dispose]());
  return server;
};

const drain = async (
  app: FastifyInstance,
  running: ReadonlyMap<AbortController, Promise<void>>,
  connections: Pick<Connections, 'closeAll'>,
  drainTimeoutMs: number,
): Promise<void> => {
  const closed = app.close();
  await settledWithin(running, drainTimeoutMs);
  for (const controller of running.keys()) controller.abort(shuttingDown());
  await settledWithin(running, ABORT_GRACE_MS);
  connections.closeAll();
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
