/** The texts that a database stores: the memory of a process would hold any. */
import { unstorableText } from '../transaction-errors.ts';

/**
 * Looks into objects, lists and maps.
 *
 * @throws `INVALID_REQUEST` for a text with a NUL character
 */
export const requireStorableTexts = (verb: string, value: unknown): void => {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw unstorableText(verb);
    return;
  }
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  const parts = Array.isArray(value) || value instanceof Map ? value : Object.entries(value);
  for (const part of parts) requireStorableTexts(verb, part);
};
