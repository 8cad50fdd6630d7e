/**
 * The published contracts against our documents, shape by shape: what a client of the original may send is taken, and what it needs of
 * an answer is there, in words and numbers that it knows.
 */
import { expect, test } from 'vitest';
import { openApiDocument, openApiDocuments } from '../../src/http/openapi.ts';
import published from './contracts.json' with { type: 'json' };

/** A schema of an OpenAPI document without references, or of the published contracts in the same words. */
type Shape = {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly nullable?: boolean;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly maxItems?: number;
  readonly values?: Shape;
  readonly content?: string;
  readonly anyOf?: readonly Shape[];
};
type Parameter = {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly schema: Shape;
};
type Endpoint = {
  readonly endpoint: string;
  readonly status: number;
  readonly parameters?: readonly Parameter[];
  readonly request?: Shape;
  readonly answer?: Shape;
};

/** As a document writes it. */
type Raw = {
  readonly $ref?: string;
  readonly allOf?: readonly Raw[];
  readonly anyOf?: readonly Raw[];
  readonly oneOf?: readonly Raw[];
  readonly properties?: Readonly<Record<string, Raw>>;
  readonly items?: Raw;
  readonly additionalProperties?: Raw | boolean;
  readonly nullable?: boolean;
};
type Content = Readonly<Record<string, { readonly schema: Raw }>>;
type Operation = {
  readonly parameters?: readonly (Omit<Parameter, 'schema'> & { readonly schema: Raw })[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
};
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Raw>> };
};

/** Ours, in the form of the published ones. */
const shapeOf = (raw: Raw, document: Document): Shape => {
  const inner = (each: Raw) => shapeOf(each, document);
  const { $ref: reference, allOf, anyOf, oneOf, properties, items, additionalProperties, ...rest } = raw;
  if (reference !== undefined)
    return inner(document.components.schemas[reference.slice(reference.lastIndexOf('/') + 1)] ?? {});
  if (allOf !== undefined) return Object.assign({}, ...allOf.map(inner), rest);
  const choices = anyOf ?? oneOf;
  return {
    ...rest,
    ...(choices && { anyOf: choices.map(inner) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, inner(each)])),
    }),
    ...(items && { items: inner(items) }),
    ...(typeof additionalProperties === 'object' && { values: inner(additionalProperties) }),
  };
};

/** What keeps each value of `from` from being one that a reader of `to` understands. */
const misfits = (from: Shape, to: Shape, path: string): string[] => {
  if (from.anyOf !== undefined) return from.anyOf.flatMap(each => misfits(each, to, path));
  if (to.anyOf !== undefined) {
    const tried = to.anyOf.map(each => misfits(from, each, path));
    return tried.some(each => each.length === 0)
      ? []
      : (tried.toSorted((a, b) => a.length - b.length)[0] ?? []);
  }
  const isNumber = from.type === 'integer' && to.type === 'number';
  if (to.type !== undefined && from.type !== to.type && !isNumber)
    return [`${path}: ${from.type} for ${to.type}`];
  const strange = to.enum && (from.enum?.filter(word => !to.enum?.includes(word)) ?? ['any']);
  return [
    ...(strange?.length ? [`${path}: ${strange.join(', ')}`] : []),
    ...(from.nullable === true && to.nullable !== true && to.type !== undefined ? [`${path}: null`] : []),
    ...(to.required ?? [])
      .filter(name => !from.required?.includes(name))
      .map(name => `${path}.${name}: may be absent`),
    ...Object.entries(to.properties ?? {}).flatMap(([name, each]) => {
      const other = from.properties?.[name];
      return other === undefined ? [] : misfits(other, each, `${path}.${name}`);
    }),
    ...(to.items && from.items && from.maxItems !== 0 ? misfits(from.items, to.items, `${path}[]`) : []),
    ...(to.values && from.values ? misfits(from.values, to.values, `${path}{}`) : []),
  ];
};

/** Properties that only one of them has. */
const unknownIn = (from: Shape, to: Shape, path: string): string[] => [
  ...Object.entries(from.properties ?? {}).flatMap(([name, each]) => {
    const other = to.properties?.[name];
    return other === undefined
      ? to.properties === undefined
        ? []
        : [`${path}.${name}: is not known`]
      : unknownIn(each, other, `${path}.${name}`);
  }),
  ...(from.items && to.items ? unknownIn(from.items, to.items, `${path}[]`) : []),
];

const operationOf = (document: Document, { endpoint, status }: Endpoint) => {
  const [method = '', path = ''] = endpoint.split(' ');
  const operation = document.paths[path]?.[method.toLowerCase()];
  const body = (content: Content | undefined): Shape | undefined => {
    const [type, media] = Object.entries(content ?? {})[0] ?? [];
    if (type === undefined || media === undefined) return undefined;
    return type === 'application/json' ? shapeOf(media.schema, document) : { content: type };
  };
  return {
    parameters: (operation?.parameters ?? []).map(each => ({
      ...each,
      schema: shapeOf(each.schema, document),
    })),
    request: body(operation?.requestBody?.content),
    answer: body(operation?.responses[String(status)]?.content),
  };
};

const pairs = published.flatMap(({ document, endpoints }) => {
  const ours = openApiDocument(openApiDocuments[document]!) as unknown as Document;
  return (endpoints as readonly Endpoint[]).map(endpoint => ({ endpoint, ...operationOf(ours, endpoint) }));
});

test.each(pairs.map(pair => [pair.endpoint.endpoint, pair] as const))(
  '%s takes the parameters and the body of the published contract, and needs no other',
  (_, { endpoint, parameters, request }) => {
    const theirs = endpoint.parameters ?? [];
    for (const { name, in: where, schema } of theirs) {
      const own = parameters.find(each => each.name === name && each.in === where);
      expect(own, name).toBeDefined();
      // In a query, null is a parameter that is absent.
      expect(misfits({ ...schema, nullable: false }, own!.schema, name)).toEqual([]);
    }
    const needed = parameters
      .filter(({ required, in: where }) => required && where !== 'header')
      .map(({ name }) => name);
    expect(theirs.map(({ name }) => name)).toEqual(expect.arrayContaining(needed));
    expect(request?.content).toBe(endpoint.request?.content);
    if (endpoint.request === undefined || request === undefined)
      return expect(request).toEqual(endpoint.request);
    expect(misfits(endpoint.request, request, 'body')).toEqual([]);
    expect(unknownIn(endpoint.request, request, 'body')).toEqual([]);
  },
);

test.each(pairs.map(pair => [pair.endpoint.endpoint, pair] as const))(
  '%s answers what a client of the published contract reads',
  (_, { endpoint, answer }) => {
    expect(answer?.content).toBe(endpoint.answer?.content);
    if (endpoint.answer === undefined || answer === undefined) return expect(answer).toEqual(endpoint.answer);
    expect(misfits(answer, endpoint.answer, 'answer')).toEqual([]);
  },
);
