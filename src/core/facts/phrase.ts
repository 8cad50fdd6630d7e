/** What the sentences of facts are made of. */
import type { ArtifactHash } from '../ids.ts';

/** A fact in English: one or more sentences, and what to do where there is something. */
export type Rendered = { readonly message: string; readonly remedy?: string | undefined };

/** `1 sled`, `3 sleds`; `copies` where a plural is not the word with an s. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** The first few names, and how many more there are. */
export const listed = (names: readonly string[], most = 3): string =>
  names.length <= most
    ? names.join(', ')
    : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;

/** Enough of a hash to find the artifact by. */
export const shortHash = (sha256: ArtifactHash): string => sha256.slice(0, 16);

export const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

/** For people: in the largest unit that says enough. */
export const duration = (ms: number): string => {
  const [sizeMs, unit] = UNITS.find(([size]) => ms >= 2 * size) ?? [1_000, 'second'];
  return plural(Math.round(ms / sizeMs), unit);
};
const UNITS = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
] as const;

export const timeText = (ms: number): string => new Date(ms).toISOString();

/** `read_only` as people read it. */
export const spaced = (name: string): string => name.replaceAll('_', ' ');

/** A text from another layer or program, with exactly one full stop at its end. */
export const quoted = (text: string): string => `${text.trimEnd().replace(/\.+$/, '')}.`;

/** Joins sentences, without the absent ones. */
export const sentences = (...each: readonly (string | undefined)[]): string =>
  each.filter(sentence => sentence !== undefined && sentence !== '').join(' ');
