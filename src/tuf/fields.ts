/**
 * Reading fields out of parsed JSON, with errors that say which document and which field.
 *
 * A `Fields` is a view on one object of a document. Its path (`roles.timestamp.threshold`) is written for an error only, and short: the
 * author of a document chooses the names in it.
 */
import type { ErrorCode } from '../lib/error-codes.ts';
import { DepotError } from '../lib/errors.ts';
import { escapeInvisible, quoted } from '../lib/shown-text.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './strict-json.ts';

export type Fields = {
  readonly object: JsonObject;
  readonly has: (name: string) => boolean;
  readonly string: (name: string) => string;
  readonly boolean: (name: string) => boolean;
  /** A safe integer of at least `minimum`. */
  readonly integer: (name: string, minimum: number) => number;
  readonly strings: (name: string) => readonly string[];
  readonly fields: (name: string) => Fields;
  /** The members of an object whose values are objects, in the order of the document. */
  readonly entries: (name: string) => Iterable<readonly [string, Fields]>;
  readonly items: (name: string) => Iterable<Fields>;
  /** An object whose values are strings. */
  readonly stringRecord: (name: string) => Readonly<Record<string, string>>;
  /** Throws an error that the field violates a requirement. */
  readonly fail: (name: string, requirement: string) => never;
};

const MAX_SHOWN_NAME = 200;

const shown = (name: string): string => escapeInvisible(name.slice(0, MAX_SHOWN_NAME).toWellFormed());

/** The name of a document, for messages, and the code of its errors. */
export type DocumentName = { readonly what: string; readonly code: ErrorCode };

/** @throws DepotError with the document's code, if the value is no object */
export const fieldsOf = (
  value: JsonValue | undefined,
  document: DocumentName,
  pathOf: () => string = () => '',
): Fields => {
  const below = (name: string) => (): string => [pathOf(), shown(name)].filter(part => part !== '').join('.');
  const fail = (name: string, requirement: string): never => {
    const field = below(name)();
    const subject = field === '' ? document.what : `field "${field}" of ${document.what}`;
    throw new DepotError(document.code, `${subject} ${requirement}`, {
      detail: { document: document.what, field },
    });
  };
  if (!isJsonObject(value)) return fail('', 'must be an object');
  const object = value;

  const array = (name: string): readonly JsonValue[] => {
    const found = object.get(name);
    return Array.isArray(found) ? found : fail(name, 'must be an array');
  };

  return {
    object,
    fail,
    has: name => object.has(name),
    string(name) {
      const found = object.get(name);
      return typeof found === 'string' ? found : fail(name, 'must be a string');
    },
    boolean(name) {
      const found = object.get(name);
      return typeof found === 'boolean' ? found : fail(name, 'must be true or false');
    },
    integer(name, minimum) {
      const found = object.get(name);
      const isInteger = typeof found === 'number' && Number.isSafeInteger(found) && found >= minimum;
      return isInteger ? found : fail(name, `must be an integer of at least ${minimum}`);
    },
    strings(name) {
      return array(name).map(item =>
        typeof item === 'string' ? item : fail(name, 'must hold strings only'),
      );
    },
    fields: name => fieldsOf(object.get(name), document, below(name)),
    *entries(name) {
      const parent = below(name);
      for (const [key, item] of fieldsOf(object.get(name), document, parent).object) {
        yield [key, fieldsOf(item, document, () => `${parent()}[${quoted(key)}]`)];
      }
    },
    *items(name) {
      for (const [index, item] of array(name).entries()) {
        yield fieldsOf(item, document, () => `${below(name)()}[${index}]`);
      }
    },
    stringRecord(name) {
      const members = [...fieldsOf(object.get(name), document, below(name)).object];
      const pairs = members.map(([key, item]) =>
        typeof item === 'string' ? ([key, item] as const) : fail(`${name}.${key}`, 'must be a string'),
      );
      return Object.fromEntries(pairs);
    },
  };
};
