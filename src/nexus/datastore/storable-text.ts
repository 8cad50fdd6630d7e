/**
 * Refuses texts that a database cannot store before they reach an engine, so that all engines refuse the same.
 *
 * Between the callers and the verbs of an engine stands one check of all arguments.
 */
import { DepotError } from '../../lib/errors.ts';
import type { Datastore } from './datastore.ts';

/**
 * The same datastore, whose verbs reject with `INVALID_REQUEST` for a text with a NUL character, or with half of a surrogate
 * pair, which is no text in UTF-8.
 */
export const withStorableTexts = (datastore: Datastore): Datastore => {
  const checked = Object.entries(datastore).map(([name, verb]) => [name, checking(name, verb as Verb)]);
  return { ...datastore, ...Object.fromEntries(checked) };
};

type Verb = (...values: readonly unknown[]) => Promise<unknown>;

const checking =
  (name: string, verb: Verb): Verb =>
  async (...values) => {
    requireStorableTexts(name, values);
    return await verb(...values);
  };

/** Looks into objects, lists and maps. */
const requireStorableTexts = (verb: string, value: unknown): void => {
  if (typeof value === 'string') {
    const fault = value.includes('\0')
      ? 'a NUL character'
      : value.isWellFormed()
        ? undefined
        : 'half of a surrogate pair';
    if (fault === undefined) return;
    const name = verb.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
    throw new DepotError('INVALID_REQUEST', `${name}: a text holds ${fault}, which no database stores`);
  }
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  const parts = Array.isArray(value) || value instanceof Map ? value : Object.entries(value);
  for (const part of parts) requireStorableTexts(verb, part);
};
