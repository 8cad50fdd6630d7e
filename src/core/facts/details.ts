/**
 * A fact as it is stored and sent: JSON with names in snake_case, and no name for what is absent.
 *
 *     fact ─ toDetails() ─▶ a column of the database, `details` in the API ─ fromDetails() ─▶ a schema ─▶ fact
 *
 * KD1. Only names are translated, values never: what goes out comes back.
 */
type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

export type Details = Readonly<Record<string, Json>>;

export const toDetails = (fact: object): Details => renamed(fact, toSnakeCase) as Details;

export const fromDetails = (details: object): Readonly<Record<string, unknown>> =>
  renamed(details, toCamelCase) as Readonly<Record<string, unknown>>;

const renamed = (value: unknown, rename: (name: string) => string): unknown => {
  if (Array.isArray(value)) return value.map(item => renamed(item, rename));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]) =>
      each === undefined ? [] : [[rename(name), renamed(each, rename)]],
    ),
  );
};

const toSnakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
const toCamelCase = (name: string): string =>
  name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
