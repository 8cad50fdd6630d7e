/** A client of this version reads the answers of a Nexus of a later one. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import type { Api, Route } from '../api/route.ts';
import { neverAborts } from './api.fixture.ts';
import { createApiClient } from './client.ts';
import { anyInput, NEWER_FIELD, NEWER_WORD, newerAnswer } from './newer-answer.fixture.ts';
import { openApiDocuments } from './openapi.ts';

type Call = (input: unknown, options: { signal: AbortSignal }) => Promise<unknown>;
type Answer = { readonly api: Api; readonly name: string; readonly route: Route; readonly schema: z.ZodType };

const answers: readonly Answer[] = (openApiDocuments['operator.json'] ?? []).flatMap(api =>
  Object.entries<Route>(api.routes).flatMap(([name, route]) =>
    route.response.kind === 'json' ? [{ api, name, route, schema: route.response.schema }] : [],
  ),
);

let status = 200;
let text = '';
const server = createServer((request, response) => {
  request.resume().once('end', () => response.writeHead(status).end(text));
});
let baseUrl: string;
beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

test('the operator API has answers to test', () => expect(answers.length).toBeGreaterThan(30));

test.each(answers.map(answer => [answer.route.operationId, answer] as const))(
  'the answer of %s is read with fields and words that only a later version has',
  async (_, { api, name, route, schema }) => {
    const answer = newerAnswer(schema);
    [status, text] = [route.status, JSON.stringify(answer)];
    await using client = createApiClient(api, { baseUrl, token: 't' });
    const chunks = (async function* () {})();
    const body = route.body?.kind === 'json' ? anyInput(route.body.schema) : { sizeBytes: 0, chunks };
    const input = { params: anyInput(route.params), query: {}, ...(route.body && { body }) };
    const read = await (client as unknown as Record<string, Call>)[name]?.(input, { signal: neverAborts() });
    const known = JSON.stringify(withoutFreeForm(read));
    expect(known.includes(NEWER_WORD)).toBe(
      JSON.stringify(withoutFreeForm(answer)).includes(`:"${NEWER_WORD}"`),
    );
    expect(known).not.toContain(NEWER_FIELD);
  },
);

/** What the contract leaves open comes through whole. */
const withoutFreeForm = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, each) => (key === NEWER_FIELD ? undefined : each)));

test('no answer to an operator has a closed list of words', () => {
  const closed = answers.flatMap(({ route, schema }) => closedWords(schema, route.operationId));
  expect(closed).toEqual([]);
});

/** Where a schema has a list of words that a later version could not extend. */
const closedWords = (schema: z.ZodType, path: string): string[] => {
  const { def } = schema._zod as unknown as { def: Record<string, never> & { type: string } };
  const inner = (each: z.ZodType | undefined, name: string) =>
    each === undefined ? [] : closedWords(each, `${path}${name}`);
  switch (def.type) {
    case 'enum':
    case 'literal':
      return [path];
    case 'object':
      return Object.entries<z.ZodType>(def.shape ?? {}).flatMap(([name, each]) => inner(each, `.${name}`));
    case 'array':
      return inner(def.element, '[]');
    case 'record':
      return inner(def.valueType, '{}');
    case 'union':
      return (def.options as unknown as z.ZodType[]).flatMap(each => inner(each, '|'));
    case 'pipe':
      return [...inner(def.in, ''), ...inner(def.out, '')];
    default:
      return inner(def.innerType, '');
  }
};
