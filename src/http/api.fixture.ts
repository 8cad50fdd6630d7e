/** A small API and its server, for the tests of this folder: real sockets on loopback. */
import { z } from 'zod';
import { type Api, defineRoute } from '../api/route.ts';
import { queryNumber } from '../api/wire.ts';
import { silentLogger } from '../lib/log.ts';
import type { OperatorCheck } from './caller.ts';
import { bindApi, type Handlers } from './handlers.ts';
import { type ApiServer, type ServerOptions, serveApi } from './server.ts';

export const testApi = {
  title: 'Test',
  version: { contract: '2.0.0', known: ['2.1.0', '2.0.0'], isNamed: true },
  description: '',
  routes: {
    greet: defineRoute({
      operationId: 'greet',
      audience: 'public',
      method: 'GET',
      path: '/greet/{name}',
      summary: '',
      params: z.object({ name: z.string().max(5) }),
      query: z.object({ times: queryNumber(z.number().int()), loud: z.string().optional() }),
      status: 200,
      response: { kind: 'json', schema: z.object({ text: z.string() }) },
      errors: [],
    }),
    note: defineRoute({
      operationId: 'note',
      audience: 'public',
      method: 'POST',
      path: '/note',
      summary: '',
      body: { kind: 'json', schema: z.object({ text: z.string() }) },
      status: 204,
      response: { kind: 'empty' },
      responseHeaders: { 'x-floor': 'a number' },
      errors: [],
    }),
    long: defineRoute({
      operationId: 'long',
      audience: 'public',
      method: 'POST',
      path: '/long',
      summary: '',
      body: { kind: 'json', schema: z.object({ text: z.string() }), maxBytes: 128 },
      status: 204,
      response: { kind: 'empty' },
      errors: [],
    }),
    put: defineRoute({
      operationId: 'put',
      audience: 'public',
      method: 'PUT',
      path: '/blob',
      summary: '',
      body: { kind: 'stream' },
      status: 200,
      response: { kind: 'json', schema: z.object({ bytes: z.number(), announced: z.number().optional() }) },
      errors: [],
    }),
    guarded: defineRoute({
      operationId: 'guarded',
      audience: 'operator',
      role: 'operator',
      method: 'GET',
      path: '/guarded',
      summary: '',
      status: 204,
      response: { kind: 'empty' },
      errors: [],
    }),
    get: defineRoute({
      operationId: 'get',
      audience: 'public',
      method: 'GET',
      path: '/blob',
      summary: '',
      status: 200,
      response: { kind: 'stream' },
      errors: [],
    }),
  },
} as const satisfies Api;

const handlers: Handlers<typeof testApi> = {
  async greet({ params, query }) {
    return { text: `${query.times} ${params.name} ${query.loud}` };
  },
  async note({ setHeader }) {
    setHeader('x-floor', '7');
  },
  async long() {},
  async put({ body }) {
    let bytes = 0;
    for await (const chunk of body.chunks) bytes += chunk.byteLength;
    return { bytes, announced: body.contentLength };
  },
  guarded: async () => undefined,
  async get() {
    throw new Error('this test API serves no file');
  },
};

/** Whoever sends this token is an admin; every other one is unknown. */
export const oneOperator =
  (expected: string): OperatorCheck =>
  async token =>
    token === expected
      ? { kind: 'known', operator: { id: 'break-glass', role: 'admin' } }
      : { kind: 'unknown' };

export const serveTestApi = (
  own: Partial<Handlers<typeof testApi>> = {},
  options: Partial<ServerOptions> = {},
): Promise<ApiServer> =>
  serveApi({
    apis: [bindApi(testApi, { ...handlers, ...own })],
    listen: { host: '127.0.0.1', port: 0 },
    log: silentLogger,
    ...options,
  });

export const neverAborts = (): AbortSignal => new AbortController().signal;
