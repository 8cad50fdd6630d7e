import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { type Api, defineRoute } from '../api/route.ts';
import { silentLogger } from '../lib/log.ts';
import { createApiClient } from './client.ts';
import { bindApi, type Handlers } from './handlers.ts';
import { type ServerOptions, serveApi } from './server.ts';

const api = {
  title: 'Test',
  version: '1.0.0',
  description: '',
  routes: {
    greet: defineRoute({
      operationId: 'greet',
      method: 'GET',
      path: '/greet/{name}',
      summary: '',
      params: z.object({ name: z.string().max(5) }),
      query: z.object({ times: z.coerce.number().int(), loud: z.string().optional() }),
      status: 200,
      response: { kind: 'json', schema: z.object({ text: z.string() }) },
      errors: [],
    }),
    note: defineRoute({
      operationId: 'note',
      method: 'POST',
      path: '/note',
      summary: '',
      body: { kind: 'json', schema: z.object({ text: z.string() }) },
      status: 204,
      response: { kind: 'empty' },
      responseHeaders: { 'x-floor': 'a number' },
      errors: [],
    }),
    put: defineRoute({
      operationId: 'put',
      method: 'PUT',
      path: '/blob',
      summary: '',
      body: { kind: 'stream' },
      status: 200,
      response: { kind: 'json', schema: z.object({ bytes: z.number(), announced: z.number().optional() }) },
      errors: [],
    }),
  },
} as const satisfies Api;

const handlers: Handlers<typeof api> = {
  async greet({ params, query }) {
    return { text: `${query.times} ${params.name} ${query.loud}` };
  },
  async note({ setHeader }) {
    setHeader('x-floor', '7');
  },
  async put({ body }) {
    let bytes = 0;
    for await (const chunk of body.chunks) bytes += chunk.byteLength;
    return { bytes, announced: body.contentLength };
  },
};

const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of stack.splice(0).reverse()) await each[Symbol.asyncDispose]();
});
const never = new AbortController().signal;

const start = async (options: Partial<ServerOptions> = {}, own: Partial<typeof handlers> = {}) => {
  const server = await serveApi({
    apis: [bindApi(api, { ...handlers, ...own })],
    listen: { host: '127.0.0.1', port: 0 },
    log: silentLogger,
    signal: never,
    ...options,
  });
  stack.push(server);
  const baseUrl = `http://${server.address}`;
  const client = createApiClient(api, { baseUrl });
  stack.push(client);
  return { server, baseUrl, client };
};

test('a client calls a server through the contract', async () => {
  const { client } = await start();
  expect(await client.greet({ params: { name: 'a/b' }, query: { times: 3 } }, { signal: never })).toEqual({
    text: '3 a/b undefined',
  });
  expect(await client.note({ body: { text: 'x' } }, { signal: never })).toEqual({
    body: undefined,
    headers: { 'x-floor': '7' },
  });
  const chunks = (async function* () {
    for (let i = 0; i < 40; i += 1) yield new Uint8Array(100_000);
  })();
  let sent = 0;
  const body = { sizeBytes: 4_000_000, chunks, onProgress: (bytes: number) => (sent = bytes) };
  expect(await client.put({ body }, { signal: never })).toEqual({ bytes: 4_000_000, announced: 4_000_000 });
  expect(sent).toBe(4_000_000);
});
