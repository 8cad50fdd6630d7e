/** Answers of a Nexus of a later version: every field of the contract, further ones, and words that the contract does not have. */
import fc from 'fast-check';
import { z } from 'zod';

export const NEWER_WORD = 'heard_of_later';
export const NEWER_FIELD = 'added_later';

type JsonSchema = Readonly<Record<string, unknown>>;

/** @param schema of an answer */
export const newerAnswer = (schema: z.ZodType): unknown => newerOf(jsonSchemaOf(schema, 'output'));

/** A request as this version makes it. */
export const anyInput = (schema: z.ZodType | undefined): unknown =>
  schema && sample(jsonSchemaOf(schema, 'input'), { words: ([first]) => first, more: {} });

const jsonSchemaOf = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema =>
  z.toJSONSchema(schema, { io, reused: 'inline', unrepresentable: 'any' }) as JsonSchema;

const newerOf = (schema: JsonSchema): unknown =>
  sample(schema, { words: () => NEWER_WORD, more: { [NEWER_FIELD]: { words: [NEWER_WORD], count: 1 } } });

type Options = {
  readonly words: (words: readonly unknown[]) => unknown;
  readonly more: Readonly<Record<string, unknown>>;
};

const UUID = '00000001-0000-4000-8000-000000000001';
const TIME = '2026-01-02T03:04:05Z';

const sample = (schema: JsonSchema, options: Options, root: JsonSchema = schema): unknown => {
  const inner = (each: unknown): unknown => sample(each as JsonSchema, options, root);
  const { $ref: reference, enum: words, anyOf, oneOf, allOf } = schema as Record<string, never[] | undefined>;
  if (typeof reference === 'string') return inner(definitionOf(reference, root));
  if ('const' in schema) return schema.const;
  if (words !== undefined) return options.words(words);
  const choices = anyOf ?? oneOf;
  if (choices !== undefined) return inner(choices[0]);
  if (allOf !== undefined) return inner(Object.assign({}, ...allOf));
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'string':
      return textOf(schema);
    case 'integer':
    case 'number':
      return Math.max(Number(schema.minimum ?? 1), 1);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return [inner(schema.items ?? {})];
    case 'object':
      return objectOf(schema, options, inner);
    default:
      return {};
  }
};

const definitionOf = (reference: string, root: JsonSchema): unknown =>
  (root.$defs as JsonSchema | undefined)?.[reference.slice(reference.lastIndexOf('/') + 1)];

const textOf = ({ format, pattern }: JsonSchema): string => {
  if (format === 'uuid' || format === 'guid') return UUID;
  if (format === 'date-time') return TIME;
  if (typeof pattern !== 'string') return 'text';
  const [text = ''] = fc.sample(fc.stringMatching(new RegExp(pattern)), { numRuns: 1, seed: 1 });
  return text;
};

const objectOf = (
  { properties, additionalProperties }: JsonSchema,
  { more }: Options,
  inner: (schema: unknown) => unknown,
): unknown => {
  if (properties === undefined)
    return typeof additionalProperties === 'object' ? { [UUID]: inner(additionalProperties) } : {};
  const fields = Object.entries(properties as JsonSchema).map(([name, each]) => [name, inner(each)]);
  return { ...Object.fromEntries(fields), ...more };
};
