/** What is said of a word of an answer, which a newer Nexus may have and this version not (`answerWord` in src/api/wire.ts). */

/** The text for a word, or the word itself. */
export const textOf = (texts: Readonly<Record<string, string>>, word: string): string =>
  (Object.hasOwn(texts, word) ? texts[word] : undefined) ?? word;
