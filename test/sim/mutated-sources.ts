/** The sources with a mutation in them (MU1). */
import { definitionNamed, type Files } from './definitions.ts';
import { type Edit, editsOf, type Mutation } from './mutations/mutation.ts';

/**
 * MU3
 *
 * @returns the file that it changes
 * @throws when the definition, or the text in it, is not there exactly once
 */
export const applyEdit = (edit: Edit, sources: Files): { readonly path: string; readonly text: string } => {
  const { path, before, text, after } = definitionNamed(edit.in, sources);
  const pieces = text.split(edit.find);
  if (pieces.length === 2) return { path, text: `${before}${pieces.join(edit.replace)}${after}` };
  throw new Error(
    `${edit.in} in ${path} has ${pieces.length - 1} times what a mutation replaces: ${edit.find}`,
  );
};

/** @returns only the files that it changes */
export const mutatedSources = (mutation: Mutation, sources: Files): Files => {
  const mutated = new Map<string, string>();
  for (const edit of editsOf(mutation)) {
    const { path, text } = applyEdit(edit, new Map([...sources, ...mutated]));
    mutated.set(path, text);
  }
  return mutated;
};
