/** Contract → OpenAPI 3.0.3. The documents in `openapi/` are its output; a test compares them. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { arrivingApi } from '../api/arriving-api.ts';
import { certificateApi } from '../api/certificate-api.ts';
import { debugApi } from '../api/debug-api.ts';
import { depotApi } from '../api/depot-api.ts';
import { internalApi } from '../api/internal-api.ts';
import { joinApi } from '../api/join-api.ts';
import { operatorAccessApi } from '../api/operator-access-api.ts';
import { operatorAuditApi } from '../api/operator-audit-api.ts';
import { operatorFleetApi } from '../api/operator-fleet-api.ts';
import { operatorHistoryApi } from '../api/operator-history-api.ts';
import { operatorInvitationApi } from '../api/operator-invitation-api.ts';
import { operatorRecoveryApi } from '../api/operator-recovery-api.ts';
import { operatorSourceApi } from '../api/operator-source-api.ts';
import { operatorStatementApi } from '../api/operator-statement-api.ts';
import { operatorUpdateApi } from '../api/operator-update-api.ts';
import { operatorUploadApi } from '../api/operator-upload-api.ts';
import { pingApi } from '../api/ping-api.ts';
import type { Api, Route } from '../api/route.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import { ErrorBody } from '../api/wire.ts';

/** Documents by file name; the operator's API is published as one. */
export const openApiDocuments: Readonly<Record<string, readonly [Api, ...Api[]]>> = {
  'operator.json': [
    {
      ...operatorUpdateApi,
      title: 'Operator API',
      description: 'Releases, trust roots, and the fleet that holds them.',
    },
    operatorUploadApi,
    operatorFleetApi,
    operatorRecoveryApi,
    operatorSourceApi,
    operatorHistoryApi,
    operatorAccessApi,
    operatorInvitationApi,
    operatorAuditApi,
    operatorStatementApi,
    pingApi,
  ],
  'internal.json': [internalApi, certificateApi, joinApi],
  'debug.json': [debugApi],
  'sled-agent.json': [sledAgentApi],
  'repo-depot.json': [depotApi, arrivingApi],
};

type JsonObject = Record<string, unknown>;
type Components = Record<string, JsonObject>;

/** The document of one or more APIs, under the title of the first. */
export const openApiDocument = (apis: readonly [Api, ...Api[]]): JsonObject => {
  const components: Components = {};
  toJson(ErrorBody, 'output', components);
  const paths: Record<string, JsonObject> = {};
  for (const route of apis.flatMap(api => Object.values(api.routes))) {
    const path = paths[route.path] ?? {};
    paths[route.path] = path;
    const verb = route.method.toLowerCase();
    assert(path[verb] === undefined, `${route.method} ${route.path} occurs twice`);
    path[verb] = operation(route, components);
    if (route.servesRanges !== undefined) path.head = headOperation(route, route.servesRanges, components);
  }
  const { title, description, version } = apis[0];
  return {
    openapi: '3.0.3',
    info: { title, description, version: version.contract },
    paths: sorted(paths),
    components: {
      responses: { Error: { description: 'Error', content: jsonContent(reference('Error')) } },
      schemas: sorted(components),
      ...(hasOperators(apis) && {
        securitySchemes: { [OPERATOR_TOKEN]: { type: 'http', scheme: 'bearer' } },
      }),
    },
  };
};

/** OpenAPI 3.0 has no scheme for certificates, by which processes of a fleet know each other. */
const OPERATOR_TOKEN = 'operator_token';
const hasOperators = (apis: readonly Api[]): boolean =>
  apis.flatMap(api => Object.values<Route>(api.routes)).some(({ audience }) => audience === 'operator');

const operation = (route: Route, components: Components): JsonObject => ({
  ...(route.tags !== undefined && { tags: route.tags }),
  summary: route.summary,
  ...(route.role !== undefined && {
    description: [
      `For operators with the role ${route.role} or above.`,
      ...Object.entries(route.flagRoles ?? {}).map(([flag, role]) => `With ${flag}: ${role}.`),
    ].join(' '),
  }),
  operationId: route.operationId,
  ...(route.audience === 'operator' && { security: [{ [OPERATOR_TOKEN]: [] }] }),
  parameters: [
    ...parameters('path', route.params, components),
    ...parameters('query', route.query, components),
    ...(route.servesRanges === undefined ? [] : [RANGE]),
    ...(route.revalidates === undefined ? [] : [IF_NONE_MATCH]),
  ],
  ...(route.body !== undefined && { requestBody: requestBody(route.body, components) }),
  responses: {
    [route.status]: {
      description: 'successful operation',
      ...(route.responseHeaders !== undefined && { headers: headers(route.responseHeaders) }),
      ...(route.revalidates !== undefined && { headers: headers(ETAG) }),
      ...responseContent(route.response, components),
    },
    ...(route.servesRanges !== undefined && RANGE_ANSWERS),
    ...(route.revalidates !== undefined && {
      '304': { description: 'what if-none-match names is still right' },
    }),
    '4XX': { $ref: '#/components/responses/Error' },
    '5XX': { $ref: '#/components/responses/Error' },
  },
});

const RANGE = {
  in: 'header',
  name: 'range',
  description: 'One range of bytes, as in RFC 9110.',
  schema: { type: 'string' },
};
const ETAG = { etag: 'absent while the answer changes by itself' };
const IF_NONE_MATCH = {
  in: 'header',
  name: 'if-none-match',
  description: 'The etag of an earlier answer, as in RFC 9110.',
  schema: { type: 'string' },
};
const CONTENT_RANGE = {
  'content-range': { description: 'the range, and the length of the whole', schema: { type: 'string' } },
};
const RANGE_ANSWERS = {
  '206': { description: 'the range', headers: CONTENT_RANGE, content: { '*/*': { schema: {} } } },
  '416': {
    description: 'the range begins after the end',
    headers: CONTENT_RANGE,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  },
};

/** The answer to HEAD: that of GET without a body. */
const headOperation = (route: Route, operationId: string, components: Components): JsonObject => {
  const { responses, ...get } = operation(route, components);
  return {
    ...get,
    operationId,
    responses: Object.fromEntries(
      Object.entries(responses as Components).map(([status, { content: _, ...answer }]) => [
        status,
        '$ref' in answer ? { description: 'Error' } : answer,
      ]),
    ),
  };
};

const parameters = (
  where: 'path' | 'query',
  schema: z.ZodObject | undefined,
  components: Components,
): JsonObject[] => {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = toJson(schema, 'input', components) as {
    properties?: Record<string, JsonObject>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    in: where,
    name,
    ...(required.includes(name) && { required: true }),
    schema: property,
  }));
};

const requestBody = (body: NonNullable<Route['body']>, components: Components): JsonObject => ({
  content:
    body.kind === 'json'
      ? jsonContent(toJson(body.schema, 'input', components))
      : { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
  required: true,
});

const responseContent = (response: Route['response'], components: Components): JsonObject => {
  switch (response.kind) {
    case 'json':
      return { content: jsonContent(toJson(response.schema, 'output', components)) };
    case 'stream':
      return { content: { '*/*': { schema: {} } } };
    case 'empty':
      return {};
    default:
      return response satisfies never;
  }
};

const headers = (named: NonNullable<Route['responseHeaders']>): JsonObject =>
  Object.fromEntries(
    Object.entries(named).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  );

const jsonContent = (schema: JsonObject): JsonObject => ({ 'application/json': { schema } });
const reference = (id: string): JsonObject => ({ $ref: `#/components/schemas/${id}` });

/** Converts a schema, and moves every inner schema with an id to `components`. */
const toJson = (schema: z.ZodType, io: 'input' | 'output', components: Components): JsonObject => {
  const {
    $schema: _,
    definitions = {},
    ...own
  } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io,
    override: ({ jsonSchema }) => {
      // A reader ignores further fields instead of refusing them, so that an API can grow.
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      if (HASH_PATTERNS.has(String(jsonSchema.pattern))) jsonSchema.format = 'hex string (32 bytes)';
      // Repeats `format`, in 300 characters.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
      nameNumberFormat(jsonSchema);
    },
  }) as JsonObject & { definitions?: Components };
  for (const [id, definition] of Object.entries(definitions)) {
    const { id: _id, ...component } = withReferences(definition) as JsonObject;
    const before = components[id];
    assert(before === undefined || isDeepStrictEqual(before, component), `two schemas have the id ${id}`);
    components[id] = component;
  }
  const { id, ...inline } = withReferences(own) as JsonObject;
  if (typeof id !== 'string') return inline;
  components[id] = inline;
  return reference(id);
};

const HASH_PATTERNS = new Set(['^[0-9a-f]{64}$', '^[0-9a-fA-F]{64}$']);

const MAX_UINT16 = 0xffff;
const MAX_UINT32 = 0xffff_ffff;

/**
 * Without a format, generators of clients take 32 bits, for a number a float of 32 bits. A maximum that the type has anyway is left
 * out, as in the published documents.
 */
const nameNumberFormat = (schema: {
  type?: unknown;
  format?: unknown;
  minimum?: unknown;
  maximum?: unknown;
}) => {
  if (schema.type === 'number') schema.format ??= 'double';
  if (schema.type !== 'integer' || schema.format !== undefined) return;
  const max = Number(schema.maximum);
  if (Number(schema.minimum) < 0) {
    schema.format = 'int64';
    delete schema.minimum;
  } else schema.format = max <= MAX_UINT16 ? 'uint16' : max <= MAX_UINT32 ? 'uint32' : 'uint64';
  if ([MAX_UINT16, MAX_UINT32, Number.MAX_SAFE_INTEGER].includes(max)) delete schema.maximum;
};

const withReferences = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withReferences);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === '$ref' && typeof inner === 'string'
        ? [key, inner.replace('#/definitions/', '#/components/schemas/')]
        : [key, withReferences(inner)],
    ),
  );
};

const sorted = <T>(record: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
