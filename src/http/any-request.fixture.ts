/** Requests of any route: what its schemas accept, at the edges of it, and what is next to that. */
import fc from 'fast-check';
import { z } from 'zod';
import type { Route } from '../api/route.ts';
import { openApiDocuments } from './openapi.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Texts that a parser, a database or a path may take differently than a pattern does. */
export const ODD_TEXTS = [
  '',
  '0',
  ' ',
  '\u0000',
  '\ud800',
  '🦑',
  'é',
  '%',
  '/',
  '..',
  "'; --",
  '\n',
  'null',
  '-1',
  '1e3',
  '0x10',
];
const ODD_NUMBERS = [0, -0, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 64, 1e308];
const HEX_36 = '0'.repeat(36);
/** At the edges of what a Date, and of what a database, holds. */
const ODD_TIMES = [
  '0000-01-01T00:00:00Z',
  '0000-01-01T00:00:00+23:59',
  '9999-12-31T23:59:59-23:59',
  '2026-02-30T00:00:00Z',
];

/** A request has several fields, and one that is refused hides what becomes of the others. */
const mostly = <T>(good: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 8, arbitrary: good }, { weight: 1, arbitrary: odd });

const text = ({ pattern, format, minLength = 0, maxLength }: JsonSchema): fc.Arbitrary<string> => {
  const fits = ({ length }: string): boolean =>
    length >= Number(minLength) && (maxLength === undefined || length <= Number(maxLength));
  if (format === 'uuid' || format === 'guid') return mostly(fc.uuid(), fc.constant(HEX_36));
  if (format === 'date-time')
    return mostly(
      fc
        .date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') })
        .map(date => date.toISOString()),
      fc.constantFrom(...ODD_TIMES),
    );
  if (format === 'uri')
    return fc.constantFrom('http://127.0.0.1:1', 'http://[::1]:1/', 'http://127.0.0.1:1/x?y#z');
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern)).filter(fits);
  const odd = ODD_TEXTS.filter(fits);
  const any = fc.string({
    minLength: Number(minLength),
    maxLength: Math.min(Number(maxLength ?? 40), 300),
    unit: 'binary',
  });
  return fc.oneof(any, fc.constantFrom(HEX_36, ...odd), {
    weight: 2,
    arbitrary: fc.constantFrom('127.0.0.1:1', '[::1]:1', '[2001:db8::1]:65535', 'http://127.0.0.1:1'),
  });
};

const number = ({ minimum, maximum, type }: JsonSchema): fc.Arbitrary<number> => {
  const [min, max] = [Number(minimum ?? -(2 ** 53)), Number(maximum ?? 2 ** 53)];
  const edges = fc.constantFrom(min, max);
  return type === 'integer'
    ? fc.oneof(
        edges,
        fc.maxSafeInteger().map(n => Math.min(max, Math.max(min, n))),
      )
    : edges;
};

/** What the JSON schema accepts. */
const accepted = (schema: JsonSchema): fc.Arbitrary<unknown> => {
  const { anyOf, type } = schema as { anyOf?: JsonSchema[]; type?: string };
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]));
  if ('const' in schema) return fc.constant(schema.const);
  if (anyOf !== undefined) return fc.oneof(...anyOf.map(accepted));
  if (Array.isArray(schema.allOf)) return accepted(Object.assign({}, ...(schema.allOf as JsonSchema[])));
  switch (type) {
    case 'string':
      return text(schema);
    case 'integer':
    case 'number':
      return number(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(accepted((schema.items ?? {}) as JsonSchema), { maxLength: 3 });
    case 'object':
      return objects(schema);
    default:
      return fc.jsonValue({ maxDepth: 1 });
  }
};

const objects = ({
  properties = {},
  required = [],
  additionalProperties,
}: JsonSchema): fc.Arbitrary<object> => {
  const fields = Object.fromEntries(
    Object.entries(properties as Record<string, JsonSchema>).map(([name, each]) => [name, accepted(each)]),
  );
  if (Object.keys(fields).length === 0 && typeof additionalProperties === 'object')
    return fc.dictionary(fc.stringMatching(/^[0-9a-f]{64}$/), accepted(additionalProperties as JsonSchema), {
      maxKeys: 2,
    });
  return fc.record(fields, { requiredKeys: required as string[] });
};

/** One value somewhere in it is replaced by an odd one. */
const oddly = (value: unknown): fc.Arbitrary<unknown> => {
  const odd = fc.constantFrom<unknown>(...ODD_TEXTS, ...ODD_NUMBERS, null, [], {}, true);
  if (typeof value !== 'object' || value === null) return odd;
  const entries = Object.entries(value);
  if (entries.length === 0) return odd;
  return fc.constantFrom(...entries.keys()).chain(at => {
    const [name, inner] = entries[at]!;
    return oddly(inner).map(changed =>
      Array.isArray(value)
        ? value.map((each, index) => (index === at ? changed : each))
        : { ...value, [name]: changed },
    );
  });
};

/** Without references; the schemas of requests do not contain themselves. */
const resolved = (value: unknown, definitions: JsonSchema): unknown => {
  if (Array.isArray(value)) return value.map(each => resolved(each, definitions));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref: reference } = value as { $ref?: string };
  if (typeof reference === 'string')
    return resolved(definitions[reference.replace('#/definitions/', '')], definitions);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      name === 'definitions' ? {} : resolved(each, definitions),
    ]),
  );
};

const jsonOf = (schema: z.ZodType): JsonSchema => {
  const json = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' }) as JsonSchema;
  return resolved(json, (json.definitions ?? {}) as JsonSchema) as JsonSchema;
};

/** Mostly as accepted, sometimes with an odd value. */
const anyOf = (schema: z.ZodType | undefined): fc.Arbitrary<unknown> => {
  if (schema === undefined) return fc.constant(undefined);
  const good = accepted(jsonOf(schema));
  return fc.oneof({ weight: 3, arbitrary: good }, { weight: 1, arbitrary: good.chain(oddly) });
};

/** A refinement, which is not in the JSON schema, may want one of these for a text. */
const LEAST_TEXTS = ['a', '127.0.0.1:1', 'http://127.0.0.1:1'];

/** The least that a schema accepts, without optional fields. */
const leastOf = (schema: z.ZodType | undefined): unknown => {
  if (schema === undefined) return undefined;
  const json = jsonOf(schema);
  const values = LEAST_TEXTS.map(free => least(json, free));
  return values.find(value => schema.safeParse(value).success) ?? values[0];
};

const least = (schema: JsonSchema, free: string): unknown => {
  const {
    anyOf: choices = [],
    required = [],
    properties = {},
  } = schema as {
    anyOf?: JsonSchema[];
    required?: string[];
    properties?: Record<string, JsonSchema>;
  };
  if (Array.isArray(schema.enum)) return schema.enum[0];
  if ('const' in schema) return schema.const;
  if (choices[0] !== undefined) return least(choices[0], free);
  switch (schema.type) {
    case 'string':
      return typeof schema.pattern === 'string'
        ? fc.sample(fc.stringMatching(new RegExp(schema.pattern)), { numRuns: 1, seed: 1 })[0]
        : free;
    case 'integer':
    case 'number':
      return Math.max(0, Number(schema.minimum ?? 0));
    case 'boolean':
      return false;
    case 'array':
      return [];
    default:
      return Object.fromEntries(required.map(name => [name, least(properties[name] ?? {}, free)]));
  }
};

export type AnyRequest = { readonly path: string; readonly init: RequestInit; readonly said: string };

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : String(JSON.stringify(value));
/** A lone surrogate has no percent encoding. */
const encoded = (value: unknown): string => encodeURIComponent(asText(value).toWellFormed());

type Parts = { readonly params: unknown; readonly query: unknown; readonly body: unknown };

const requestOf = (route: Route, { params, query, body }: Parts): AnyRequest => {
  const values = (params ?? {}) as Record<string, unknown>;
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encoded(values[name] ?? 'x') || 'x');
  const search = Object.entries((query ?? {}) as Record<string, unknown>)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encoded(value)}`)
    .join('&');
  const isStream = route.body?.kind === 'stream';
  const text = body === undefined ? undefined : isStream ? asText(body) : JSON.stringify(body);
  const type = isStream ? 'application/octet-stream' : 'application/json';
  const init = {
    method: route.method,
    ...(text !== undefined && { body: text, headers: { 'content-type': type } }),
  };
  const whole = search === '' ? path : `${path}?${search}`;
  return { path: whole, init, said: `${route.method} ${whole} ${text ?? ''}` };
};

/** Of a stream a few bytes, which are never an artifact or an archive. */
const bodySchema = ({ body }: Route): z.ZodType | undefined =>
  body?.kind === 'stream' ? z.string().max(300) : body?.schema;

export const anyRequest = (route: Route): fc.Arbitrary<AnyRequest> =>
  fc
    .record({ params: anyOf(route.params), query: anyOf(route.query), body: anyOf(bodySchema(route)) })
    .map(parts => requestOf(route, parts));

/** One that its schemas accept: it reaches the handler. */
export const leastRequest = (route: Route): AnyRequest =>
  requestOf(route, {
    params: leastOf(route.params),
    query: leastOf(route.query),
    body: leastOf(bodySchema(route)),
  });

/** The published documents of each server. A new document belongs here, and a new route of one is tried by itself. */
export const DOCUMENTS_OF = {
  operator: ['operator.json', 'debug.json'],
  internal: ['internal.json'],
  sledAgent: ['sled-agent.json'],
  depot: ['repo-depot.json'],
} as const;

export const routesOf = (server: keyof typeof DOCUMENTS_OF): readonly Route[] =>
  DOCUMENTS_OF[server]
    .flatMap(name => openApiDocuments[name] ?? [])
    .flatMap(api => Object.values<Route>(api.routes));

/** Queries of a route that its schema accepts, as texts. */
export const acceptedQuery = ({ query }: Route): fc.Arbitrary<Readonly<Record<string, string>>> =>
  query === undefined
    ? fc.constant({})
    : accepted(jsonOf(query))
        .map(values =>
          Object.fromEntries(
            Object.entries(values as object)
              .filter(([, value]) => value !== undefined)
              .map(([name, value]) => [name, asText(value)]),
          ),
        )
        .filter(values => query.safeParse(values).success);
