/** Emphasis for a terminal that shows it; otherwise every function returns its text unchanged. */
import { stripVTControlCharacters, styleText } from 'node:util';

export type Style = {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly accent: (text: string) => string;
};

const paint =
  (format: Parameters<typeof styleText>[0]) =>
  (text: string): string =>
    text === '' ? text : styleText(format, text, { validateStream: false });
const plain = (text: string): string => text;

export const createStyle = (colors: boolean): Style => ({
  bold: colors ? paint('bold') : plain,
  dim: colors ? paint('dim') : plain,
  good: colors ? paint('green') : plain,
  warn: colors ? paint('yellow') : plain,
  bad: colors ? paint('red') : plain,
  accent: colors ? paint('cyan') : plain,
});

export const plainStyle: Style = createStyle(false);

/**
 * Text from elsewhere (a file name, a server's message) without control characters: it must not move the
 * cursor, recolour the terminal or break a line of a table.
 */
export const printable = (text: string): string =>
  stripVTControlCharacters(text).replace(/[\p{Cc}\u2028\u2029\p{Bidi_Control}]/gu, ' ');

/** How many columns a text takes, its escape codes left out. */
export const visibleWidth = (text: string): number => [...stripVTControlCharacters(text)].length;

/** Cuts a text to `columns`, and marks the cut with an ellipsis. A cut drops styles. */
export const truncate = (text: string, columns: number): string => {
  if (visibleWidth(text) <= columns) return text;
  const characters = [...stripVTControlCharacters(text)];
  return `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`;
};
