/** A server of a repository's files for tests: correct by default; a test may replace the answer for a path. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

export type RepositoryServer = AsyncDisposable & {
  /** Without a slash at the end. */
  readonly url: string;
  /** By path below the root, percent-encoded as in the request. */
  readonly files: Map<string, Uint8Array>;
  /** `GET /path`, with `bytes=…` for a range. */
  readonly requests: string[];
  /** Answers this path instead, until it is deleted. */
  readonly odd: Map<string, Behaviour>;
  /** Serves the files of a test repository, whose names begin with `repo/`. */
  readonly publish: (files: ReadonlyMap<string, Uint8Array>) => void;
};

export const etagOf = (bytes: Uint8Array): string =>
  `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`;

export const serveRepository = async (): Promise<RepositoryServer> => {
  const files = new Map<string, Uint8Array>();
  const odd = new Map<string, Behaviour>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push([request.method, path, request.headers.range].filter(Boolean).join(' '));
    const behave = odd.get(path);
    if (behave !== undefined) return behave(request, response);
    const bytes = files.get(path);
    if (bytes === undefined) return void response.writeHead(404).end();
    sendFile(request, response, bytes);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    requests,
    odd,
    publish(repository) {
      files.clear();
      for (const [name, bytes] of repository)
        files.set(
          `/${name
            .replace(/^repo\//, '')
            .split('/')
            .map(encodeURIComponent)
            .join('/')}`,
          bytes,
        );
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
};

/** With ETag, Range and If-Range. */
export const sendFile = (request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void => {
  const etag = etagOf(bytes);
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const first = Number(range?.[1]);
  if (range === null || (condition !== undefined && condition !== etag)) {
    response.writeHead(200, { etag, 'content-length': bytes.length }).end(bytes);
    return;
  }
  if (first >= bytes.length) return void response.writeHead(416).end();
  const rest = bytes.subarray(first);
  response
    .writeHead(206, {
      etag,
      'content-length': rest.length,
      'content-range': `bytes ${first}-${bytes.length - 1}/${bytes.length}`,
    })
    .end(rest);
};
