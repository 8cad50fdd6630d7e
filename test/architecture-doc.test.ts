/**
 * What docs/ARCHITECTURE.md names exists: tests of each fault, and files, folders and functions of each question. So do the
 * tests of each attack in SECURITY.md.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

type Fault = { readonly fault: string; readonly tests: readonly { path: string; titles: string[] }[] };

/** Rows of the table below a heading; in the last column a path stands before the titles, or parts of them, that it has. */
const readFaults = async (page: string, heading: string): Promise<Fault[]> => {
  const text = await readFile(join(root, page), 'utf8');
  const section = new RegExp(`^## ${heading}\\n([\\s\\S]*?)^## `, 'm').exec(text)![1]!;
  const rows = section.split('\n').filter(line => line.startsWith('| '));
  return rows.slice(1).map(row => {
    const [fault, ...others] = row.slice(2, -2).split(' | ');
    const shownBy = others.at(-1);
    const tests: { path: string; titles: string[] }[] = [];
    for (const [, path, title] of (shownBy ?? '').matchAll(/`([^`]+)`|"([^"]+)"/g)) {
      if (path !== undefined) tests.push({ path, titles: [] });
      else tests.at(-1)!.titles.push(title!);
    }
    return { fault: fault!, tests };
  });
};

test.each([
  { page: 'docs/ARCHITECTURE.md', heading: 'Faults and what happens', least: 30 },
  { page: 'SECURITY.md', heading: 'What is promised', least: 10 },
  { page: 'SECURITY.md', heading: 'Who is compromised', least: 9 },
])(
  'each row of "$heading" in $page is shown by tests that exist under their titles',
  async ({ page, heading, least }) => {
    const faults = await readFaults(page, heading);
    expect(faults.length).toBeGreaterThan(least);
    const missing: string[] = [];
    for (const { fault, tests } of faults) {
      if (tests.length === 0) missing.push(`${fault}: no test`);
      for (const { path, titles } of tests) {
        const text = await readFile(join(root, path), 'utf8').catch(() => undefined);
        if (text === undefined || !/\.(test|fixture)\.ts$/.test(path)) missing.push(`${fault}: ${path}`);
        for (const title of titles)
          if (text !== undefined && !text.includes(title)) missing.push(`${fault}: ${path} "${title}"`);
      }
    }
    expect(missing).toEqual([]);
  },
);

/** Rows of the table of questions. A name without a folder is that of a file beside another one of its row. */
const readAnswers = async () => {
  const text = await readFile(join(root, 'docs/ARCHITECTURE.md'), 'utf8');
  const section = /^### Where to look\n([\s\S]*?)^## /m.exec(text)![1]!;
  const rows = section.split('\n').filter(line => /^\| (?!question \|)/.test(line));
  return rows.map(row => {
    const [question = '', answer = ''] = row.slice(2, -2).split(' | ');
    const code = [...answer.matchAll(/`([^`]+)`/g)].map(([, each]) => each!);
    const paths = code.filter(each => each.includes('/'));
    const beside = code.filter(each => /^[\w-]+\.ts$/.test(each));
    const files = beside.map(
      name => paths.map(path => join(dirname(path), name)).find(path => existsSync(join(root, path))) ?? name,
    );
    return { question, files: [...paths, ...files], names: code.filter(each => /^\w+$/.test(each)) };
  });
};

test('each answer to "Where to look" names files and folders that exist, and names that occur in one of the files', async () => {
  const answers = await readAnswers();
  expect(answers.length).toBeGreaterThan(4);
  const missing: string[] = [];
  for (const { question, files, names } of answers) {
    missing.push(...files.filter(path => !existsSync(join(root, path))).map(path => `${question} ${path}`));
    const texts = await Promise.all(
      files
        .filter(path => path.endsWith('.ts'))
        .map(path => readFile(join(root, path), 'utf8').catch(() => '')),
    );
    for (const name of names)
      if (!texts.some(text => text.includes(name))) missing.push(`${question} ${name}`);
  }
  expect(missing).toEqual([]);
});
