/**
 * docs/requirements.md agrees with what cites it, and each code of a module means one thing. The rules are those that the
 * page states under "How ids are used".
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const PAGE = 'docs/requirements.md';
const FOLDERS = ['src', 'sim', 'test', 'bench', 'packaging', 'docs', 'schema'];
const PAGES_AT_THE_ROOT = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];

/** What looks like a code and is a word. */
const WORDS = new Set(['ZIP64', 'INT4', 'INT8', 'UTF8', 'V8']);
const CODE = '[A-Z]{1,3}\\d{1,2}[a-z]?';
/** Not in a path, in code between backticks, or in a longer word; `P1-P2` are two. */
const CODES = new RegExp(`(?<![\\w./#&%\`$])(?<!\\D-)${CODE}(?!\\w)`, 'g');
const isRequirement = (code: string): boolean => /^[GSPTB]\d/.test(code);

type Cited = { readonly path: string; readonly text: string };
type Source = Cited & { readonly isTest: boolean; readonly titles: readonly string[] };
type Row = { readonly id: string; readonly text: string; readonly shownBy: string };

const codesIn = (text: string): string[] => (text.match(CODES) ?? []).filter(code => !WORDS.has(code));

/** The first argument of `test`, `describe` and what they return, such as `test.each(cases)`. */
const titlesIn = (text: string): string[] =>
  [
    ...text.matchAll(
      /(?:\b(?:test|describe)|\))(?:\.\w+)*\(\s*(?:'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|`([^`]*)`),\s/g,
    ),
  ].map(match => match[1] ?? match[2] ?? match[3]!);

/** What a person reads in a source: its comments, its titles, and why a mutation is a mistake. */
const wordsOf = (text: string, titles: readonly string[]): string =>
  [
    ...(text.match(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm) ?? []),
    ...titles,
    ...[...text.matchAll(/^\s*why: (.*)$/gm)].map(match => match[1]!),
  ].join('\n');

const sourceOf = (path: string, text: string): Source => {
  const isTest = /\.(test|fixture)\.ts$/.test(path);
  const titles = isTest ? titlesIn(text) : [];
  return { path, isTest, titles, text: path.endsWith('.ts') ? wordsOf(text, titles) : text };
};

const readSources = async (): Promise<Source[]> => {
  const below = await Promise.all(
    FOLDERS.map(async folder =>
      (await readdir(join(root, folder), { recursive: true })).map(name => join(folder, name)),
    ),
  );
  const paths = [...below.flat(), ...PAGES_AT_THE_ROOT].filter(
    path => /\.(ts|md|sql)$/.test(path) && path !== PAGE,
  );
  return Promise.all(paths.map(async path => sourceOf(path, await readFile(join(root, path), 'utf8'))));
};

const readRows = async (): Promise<Row[]> =>
  (await readFile(join(root, PAGE), 'utf8'))
    .split('\n')
    .filter(line => new RegExp(`^\\| ${CODE} \\|`).test(line))
    .map(line => {
      const [id, text, shownBy, ...more] = line.slice(2, -2).split(' | ');
      expect(more, `${id} has three columns`).toEqual([]);
      return { id: id!, text: text!, shownBy: shownBy! };
    });

/** Where each code is defined: in the comment at the top of a module, `DS1. …`, at the beginning of a line. */
const definitionsIn = (sources: readonly Source[]): Map<string, string[]> => {
  const found = new Map<string, string[]>();
  for (const { path, text } of sources)
    for (const [, code] of text.matchAll(new RegExp(`^ \\* (${CODE})\\. `, 'gm')))
      found.set(code!, [...(found.get(code!) ?? []), path]);
  return found;
};

const [rows, sources] = [await readRows(), await readSources()];
const planned = new Set(rows.filter(row => row.shownBy === 'planned').map(row => row.id));

test('every family of requirements is there, in order and without a gap, each in a sentence', () => {
  const ids = rows.map(row => row.id);
  for (const [letter, last] of Object.entries({ G: 8, S: 24, P: 13, T: 6, B: 22 })) {
    const expected = Array.from({ length: last }, (_, index) => `${letter}${index + 1}`);
    expect(ids.filter(id => new RegExp(`^${letter}\\d+$`).test(id))).toEqual(expected);
  }
  expect(new Set(ids).size).toBe(ids.length);
  for (const { id, text } of rows) {
    expect(isRequirement(id), id).toBe(true);
    expect(text, id).toMatch(/^[A-Z`].{20,140}\.$/);
  }
});

test('each requirement is planned, or names tests that exist and cite it', () => {
  const wrong: string[] = [];
  for (const { id, shownBy } of rows) {
    if (planned.has(id)) continue;
    const paths = [...shownBy.matchAll(/`([^`]+)`/g)].map(match => match[1]!);
    if (shownBy !== paths.map(path => `\`${path}\``).join(', ') || paths.length === 0)
      wrong.push(`${id}: neither tests nor "planned"`);
    for (const path of paths) {
      const source = sources.find(candidate => candidate.path === path);
      if (source === undefined || !path.endsWith('.test.ts')) wrong.push(`${id}: there is no test ${path}`);
      else if (!codesIn(source.text).includes(id)) wrong.push(`${id}: is not cited by ${path}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('a requirement that is planned is in no title of a test', () => {
  const wrong = sources.flatMap(({ path, titles }) =>
    titles.flatMap(title =>
      codesIn(title)
        .filter(code => planned.has(code))
        .map(code => `${path}: ${code}`),
    ),
  );
  expect(wrong).toEqual([]);
});

test('nothing cites a requirement or a code that the repository does not define', () => {
  const defined = new Set([...rows.map(row => row.id), ...definitionsIn(sources).keys()]);
  const wrong = sources.flatMap(({ path, text }) =>
    [...new Set(codesIn(text))].filter(code => !defined.has(code)).map(code => `${path}: ${code}`),
  );
  expect(wrong).toEqual([]);
});

test('the letters of a code belong to one file, or to the page of requirements', () => {
  const owners = new Map<string, Set<string>>();
  const wrong: string[] = [];
  for (const [code, paths] of definitionsIn(sources)) {
    if (paths.length > 1) wrong.push(`${code} is defined ${paths.length} times: ${paths.join(', ')}`);
    if (isRequirement(code)) wrong.push(`${paths.join(', ')} defines ${code}, which is a requirement`);
    const letters = code.replace(/\d.*/, '');
    owners.set(letters, new Set([...(owners.get(letters) ?? []), ...paths]));
  }
  for (const [letters, paths] of owners)
    if (paths.size > 1) wrong.push(`${letters} is used by ${[...paths].join(', ')}`);
  expect(owners.size).toBeGreaterThan(100);
  expect(wrong).toEqual([]);
});

test('a title is a sentence, with its codes in parentheses at the end', () => {
  const wrong: string[] = [];
  for (const { path, titles } of sources)
    for (const title of titles) {
      const sentence = title.replace(/ \([^()]*\)$/, '');
      if (codesIn(sentence).length > 0 || /^[\d.]+: |^$/.test(sentence)) wrong.push(`${path}: ${title}`);
    }
  expect(sources.flatMap(source => source.titles).length).toBeGreaterThan(1000);
  expect(wrong).toEqual([]);
});
