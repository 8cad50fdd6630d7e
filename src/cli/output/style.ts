/** Emphasis for a terminal that shows it; otherwise every function returns its text unchanged. */
import { stripVTControlCharacters, styleText } from 'node:util';
import { escapeInvisible } from '../../lib/shown-text.ts';

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

/** Text from elsewhere (a file name, a server's message) on one line: it must not break a line of a table. */
export const printable = (text: string): string =>
  escapeInvisible(text.replace(/[\t\n\v\f\r\u2028\u2029]+/g, ' '));

/** A code of {@link createStyle}. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it searches for codes of our own
const OWN_CODE = /(\u001b\[\d{1,2}m)/;

/**
 * What a terminal receives, whatever a caller has passed on: lines, with every invisible character escaped (SX1) but our own codes
 * where there are colours.
 */
export const shownOnTerminal = (text: string, { colors }: { colors: boolean }): string =>
  text
    .split('\n')
    .map(line =>
      line
        .split(OWN_CODE)
        .map((part, index) => (index % 2 === 1 && colors ? part : escapeInvisible(part)))
        .join(''),
    )
    .join('\n');

/** How many columns a text takes, its escape codes left out. */
export const visibleWidth = (text: string): number => [...stripVTControlCharacters(text)].length;

/** Cuts a text to `columns`, and marks the cut with an ellipsis. A cut drops styles. */
export const truncate = (text: string, columns: number): string => {
  if (visibleWidth(text) <= columns) return text;
  const characters = [...stripVTControlCharacters(text)];
  return `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`;
};
