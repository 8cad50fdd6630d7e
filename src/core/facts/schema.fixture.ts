/** Any value of a schema of facts, for properties over all kinds. */
import fc from 'fast-check';
import type { z } from 'zod';
import {
  ArtifactHash,
  DatasetId,
  Generation,
  IncarnationId,
  InvitationId,
  NexusId,
  SetDigest,
  SledId,
  SystemVersion,
  TrustRootId,
  UploadId,
} from '../ids.ts';
import { type ReasonCode, reasonSchemas } from './reason.ts';

/** The names of all fields, of each of its variants. */
export const fieldsOf = (schema: z.ZodType): readonly string[] => {
  const { shape, options } = defOf(schema);
  return shape === undefined ? [...new Set((options ?? []).flatMap(fieldsOf))] : Object.keys(shape);
};

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
    .map(digits => digits.join(''));

export const ID_SCHEMAS: ReadonlySet<unknown> = new Set([
  ...[ArtifactHash, SledId, NexusId, UploadId, TrustRootId, DatasetId],
]);

/** Generators for the schemas with a format of their own. */
const arbitraries = new Map<unknown, fc.Arbitrary<unknown>>([
  [ArtifactHash, hex(64)],
  [SetDigest, hex(64)],
  [Generation, fc.nat()],
  [SystemVersion, fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9)).map(numbers => numbers.join('.'))],
  ...[SledId, NexusId, UploadId, TrustRootId, DatasetId, IncarnationId, InvitationId].map(
    id => [id, fc.uuid()] as [unknown, fc.Arbitrary<unknown>],
  ),
]);

type Def = {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
};

export const defOf = (schema: z.ZodType): Def => schema.def as unknown as Def;

const arbText = fc.stringMatching(/^[a-z]{1,12}( [a-z]{1,12}){0,3}$/);
/** A text from another layer, with a full stop or without. */
const arbQuote = fc.tuple(arbText, fc.constantFrom('', '.')).map(parts => parts.join(''));
const QUOTES = ['error', 'why'];

export const arbOf = (schema: z.ZodType): fc.Arbitrary<unknown> => {
  const known = arbitraries.get(schema);
  if (known !== undefined) return known;
  const def = defOf(schema);
  switch (def.type) {
    case 'object':
      return fc
        .record(
          Object.fromEntries(
            Object.entries(def.shape!).map(([name, each]) => [
              name,
              QUOTES.includes(name) && defOf(each).type === 'string' ? arbQuote : arbOf(each),
            ]),
          ),
        )
        .map(fields => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
    case 'union':
      return fc.oneof(...def.options!.map(arbOf));
    case 'optional':
      return fc.option(arbOf(def.innerType!), { nil: undefined });
    case 'readonly':
      return arbOf(def.innerType!);
    case 'array':
      return fc.array(arbOf(def.element!), { minLength: 1, maxLength: 5 });
    case 'enum':
      return fc.constantFrom(...Object.values(def.entries!));
    case 'literal':
      return fc.constantFrom(...def.values!);
    case 'string':
      return arbText;
    case 'number':
      return fc.nat();
    case 'boolean':
      return fc.boolean();
    case 'pipe': // the one of an event that is another family's fact
      return arbReason;
    default:
      throw new Error(`a schema of facts has the type ${def.type}, which this fixture does not know`);
  }
};

const arbReason: fc.Arbitrary<unknown> = fc
  .constantFrom(...(Object.keys(reasonSchemas) as ReasonCode[]))
  .chain(code => arbOf(reasonSchemas[code]).map(fields => ({ code, ...(fields as object) })));
