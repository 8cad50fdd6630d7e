/**
 * The definitions of the sources by name, and the tests by title: mutations name their places by these, so that a file can
 * move without a change of its mutations.
 *
 * The sources are read as text, as the formatter lays them out: a definition of a file begins in the first column, and
 * goes on as long as lines are indented, empty, or close a bracket.
 */
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../..');

/** Texts of files by path, from the root. */
export type Files = ReadonlyMap<string, string>;

export type Definition = {
  readonly path: string;
  readonly text: string;
  /** The text of the file before and after it. */
  readonly before: string;
  readonly after: string;
};

/** Without a title: all tests of the file. */
export type TestPlace = { readonly path: string; readonly title?: string };

// The simulator has the datastore in memory, which mutations change too.
const SOURCES = '{src,sim}/**/*.ts';
const TESTS = '{src,sim}/**/*.test.ts';
const NO_PRODUCT = ['**/*.test.ts', '**/*.fixture.ts'];

const read = (pattern: string, exclude: readonly string[]): Files =>
  new Map(
    globSync(pattern, { cwd: ROOT, exclude }).map(path => [path, readFileSync(join(ROOT, path), 'utf8')]),
  );

export const readSources = (): Files => read(SOURCES, NO_PRODUCT);

export const readTests = (): Files => read(TESTS, []);

const only = <T>(found: readonly T[], what: string, pathOf: (each: T) => string): T => {
  const [one, ...more] = found;
  if (one === undefined) throw new Error(`there is no ${what}`);
  if (more.length > 0) throw new Error(`there is more than one ${what}: ${found.map(pathOf).join(', ')}`);
  return one;
};

/** @throws where no file defines the name, or more than one place does */
export const definitionNamed = (name: string, sources: Files): Definition => {
  const keyword = '(?:(?:async )?function\\*? |(?:abstract )?class |const |let )';
  const pattern = new RegExp(`^(?:export )?${keyword}${name}\\b.*(?:\\n(?:[ )}\\]].*)?)*`, 'gm');
  const found = [...sources].flatMap(([path, source]) =>
    [...source.matchAll(pattern)].map(({ index, 0: text }) => ({
      path,
      text,
      before: source.slice(0, index),
      after: source.slice(index + text.length),
    })),
  );
  return only(found, `definition of ${name}`, ({ path }) => path);
};

/** How many test titles of a file contain this text; the formatter keeps a title on one line with `test(`. */
const countTitles = (source: string, part: string): number =>
  (source.match(/^\s*test\(['"`].*$/gm) ?? []).filter(line => line.includes(part)).length;

/**
 * @param name the base name of a file, or a part of the title of one test
 * @throws where no file has it, or more than one does
 */
export const testsNamed = (name: string, tests: Files): TestPlace => {
  if (name.endsWith('.test.ts')) {
    const paths = [...tests.keys()].filter(path => path.endsWith(`/${name}`));
    return { path: only(paths, `file ${name}`, path => path) };
  }
  const paths = [...tests].flatMap(([path, source]) => Array<string>(countTitles(source, name)).fill(path));
  return { path: only(paths, `test "${name}"`, path => path), title: name };
};
