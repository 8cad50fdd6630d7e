/**
 * What the servers of the original have in common, written from its published documents: the version of a request is in a header
 * that has no default, a route is a method and a path, and errors have one shape.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An error of the original: a word of its vocabulary, or none. */
export class OriginalError extends Error {
  readonly status: number;
  readonly errorCode: string | undefined;
  constructor(status: number, errorCode: string | undefined, message: string) {
    super(message);
    this.status = status;
    this.errorCode = errorCode;
  }
}

export const notFound = (message: string): OriginalError => new OriginalError(404, 'ObjectNotFound', message);

/** `GET /things/{id}`, by its parameters; resolves when it has answered. */
export type OriginalRoute = (
  request: IncomingMessage,
  response: ServerResponse,
  asked: { readonly params: Readonly<Record<string, string>>; readonly query: URLSearchParams },
) => Promise<void> | void;

export type OriginalServer = AsyncDisposable & {
  readonly port: number;
  readonly baseUrl: string;
  /** `GET /path`, in the order of the requests. */
  readonly asked: readonly string[];
  /** Requests that were refused for their version. */
  readonly refusedVersions: readonly string[];
};

export const answerJson = (response: ServerResponse, status: number, value: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
};

/** @param version the newest one; an earlier one is served too, as the policy of the original does */
export const serveOriginal = async (
  version: string,
  routes: Readonly<Record<string, OriginalRoute>>,
): Promise<OriginalServer> => {
  const [asked, refusedVersions]: [string[], string[]] = [[], []];
  const table = Object.entries(routes).map(([name, route]) => {
    const [method, path = ''] = name.split(' ');
    const pattern = new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
    return { method, pattern, route };
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://original');
    asked.push(`${request.method} ${pathname}`);
    try {
      requireVersion(request.headers['api-version'], version);
    } catch (error) {
      refusedVersions.push(`${request.method} ${pathname}`);
      throw error;
    }
    const found = table.filter(({ pattern }) => pattern.test(pathname));
    if (found.length === 0) throw new OriginalError(404, undefined, 'Not Found');
    const match = found.find(({ method }) => method === request.method);
    if (match === undefined) throw new OriginalError(405, undefined, 'Method Not Allowed');
    const params = { ...match.pattern.exec(pathname)?.groups };
    await match.route(request, response, { params, query: searchParams });
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const { status, errorCode, message } =
        error instanceof OriginalError ? error : new OriginalError(500, 'Internal', 'Internal Server Error');
      if (response.headersSent) return void response.destroy();
      const body = {
        request_id: crypto.randomUUID(),
        ...(errorCode !== undefined && { error_code: errorCode }),
        message,
      };
      answerJson(response, status, body);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    baseUrl: `http://127.0.0.1:${port}`,
    asked,
    refusedVersions,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};

const requireVersion = (named: string | string[] | undefined, newest: string): void => {
  if (named === undefined) throw new OriginalError(400, undefined, 'missing expected header "api-version"');
  const [asked, known] = [numbersOf(String(named)), numbersOf(newest)];
  if (asked === undefined || known === undefined)
    throw new OriginalError(400, undefined, `bad value for header "api-version": ${named}`);
  const at = asked.findIndex((number, n) => number !== known[n]);
  if (at !== -1 && (asked[at] ?? 0) > (known[at] ?? 0))
    throw new OriginalError(400, undefined, `server does not support this API version: ${named}`);
};

const numbersOf = (text: string): readonly number[] | undefined =>
  /^\d+\.\d+\.\d+$/.test(text) ? text.split('.').map(Number) : undefined;
