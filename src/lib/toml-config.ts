/**
 * Configuration files: TOML with a strict schema, so that a misspelt key is an error and not a default.
 *
 * Every fault is reported at once, each with the file, the key, and for an unknown key the known ones beside it.
 */
import { readFile } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { DepotError } from './errors.ts';

/**
 * Reads and checks a file. The schema is built of `z.strictObject`s.
 *
 * @throws `CONFIG_INVALID` naming the file and each faulty key
 */
export const readTomlConfig = async <S extends z.ZodObject>(path: string, schema: S): Promise<z.infer<S>> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new DepotError('CONFIG_INVALID', `cannot read the configuration file ${path}`, { cause: error });
  }
  return parseTomlConfig(text, path, schema);
};

export const parseTomlConfig = <S extends z.ZodObject>(text: string, path: string, schema: S): z.infer<S> => {
  const result = schema.safeParse(parseToml(text, path));
  if (result.success) return result.data;
  const faults = result.error.issues.map(issue => describeIssue(issue, schema));
  throw new DepotError('CONFIG_INVALID', `${path}: ${faults.join('; ')}`);
};

const parseToml = (text: string, path: string): unknown => {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [summary] = error.message.split('\n');
    throw new DepotError(
      'CONFIG_INVALID',
      `${path}, line ${error.line}, column ${error.column}: not TOML (${summary})`,
    );
  }
};

const describeIssue = (issue: z.core.$ZodIssue, schema: z.ZodType): string => {
  const at = issue.path.map(String).join('.');
  if (issue.code !== 'unrecognized_keys') return `${at || 'the file'}: ${issue.message}`;
  const unknown = issue.keys.map(key => (at === '' ? key : `${at}.${key}`)).join(', ');
  return `unknown key ${unknown}; known here: ${knownKeys(schema, issue.path).join(', ')}`;
};

const knownKeys = (schema: z.ZodType, path: readonly PropertyKey[]): string[] => {
  let here = unwrap(schema);
  for (const step of path) if (here instanceof z.ZodObject) here = unwrap(here.shape[String(step)]);
  return here instanceof z.ZodObject ? Object.keys(here.shape).sort() : [];
};

const unwrap = (schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined => {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault)
    inner = inner.unwrap();
  return inner;
};
