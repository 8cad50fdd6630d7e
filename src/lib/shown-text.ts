/**
 * Text from elsewhere, as messages, logs and terminals show it.
 *
 * SX1. Every character that leaves no mark of its own, or that moves others (controls, bidirectional controls, format characters,
 *      line separators, spaces that are not U+0020), is shown as its escape, `\u202e`. In JSON the escape means the character.
 * SX2. A quoted text is short: a message does not grow with what it quotes.
 * SX3. The same characters are refused in names, which people compare: of targets, roles, and entries of archives (adr/0007).
 */

/** Characters in question, without U+0020. Unassigned ones count only where Unicode has decided that they stay invisible. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;
const ALL_INVISIBLE = new RegExp(INVISIBLE, 'gu');

const MAX_QUOTED_CHARACTERS = 80;

/** SX1 */
export const escapeInvisible = (text: string): string => text.replace(ALL_INVISIBLE, escapeOf);

const escapeOf = (character: string): string =>
  Array.from({ length: character.length }, (_, index) => unitEscape(character.charCodeAt(index))).join('');

const unitEscape = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;

/** In quotes, with quotes and backslashes escaped; cut after `maxCharacters` (SX2). */
export const quoted = (text: string, maxCharacters = MAX_QUOTED_CHARACTERS): string => {
  const isLong = text.length > maxCharacters;
  const shown = isLong ? text.slice(0, maxCharacters).toWellFormed() : text;
  return `${escapeInvisible(JSON.stringify(shown))}${isLong ? `… (${text.length} characters)` : ''}`;
};

/** Why a text is no name, as the end of a sentence; undefined without such a character (SX3). */
export const invisibleProblem = (name: string): string | undefined => {
  const code = INVISIBLE.exec(name)?.[0].codePointAt(0);
  if (code === undefined) return undefined;
  return `has the invisible character U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
};
