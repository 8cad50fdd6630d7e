/** Contract → OpenAPI 3.0.3. The documents in `openapi/` are its output; a test compares them. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
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
  ],
  'internal.json': [internalApi, certificateApi, joinApi],
  'debug.json': [debugApi],
  'sled-agent.json': [sledAgentApi],
  'repo-depot.json': [depotApi],
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
  }
  const { title, description, version } = apis[0];
  return {
    openapi: '3.0.3',
    info: { title, description, version: version.contract },
    paths: sorted(paths),
    components: {
      responses: { Error: { description: 'Error', content: jsonContent(reference('Error')) } },
      schemas: sorted(components),
    },
  };
};

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
  parameters: [
    ...parameters('path', route.params, components),
    ...parameters('query', route.query, components),
  ],
  ...(route.body !== undefined && { requestBody: requestBody(route.body, components) }),
  responses: {
    [route.status]: {
      description: 'successful operation',
      ...(route.responseHeaders !== undefined && { headers: headers(route.responseHeaders) }),
      ...responseContent(route.response, components),
    },
    '4XX': { $ref: '#/components/responses/Error' },
    '5XX': { $ref: '#/components/responses/Error' },
  },
});

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
      // Repeats `format`, in 300 characters.
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
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
