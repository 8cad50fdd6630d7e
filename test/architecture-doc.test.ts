/** docs/ARCHITECTURE.md names a test for each fault: the files are there, and the titles in them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

type Fault = { readonly fault: string; readonly tests: readonly { path: string; titles: string[] }[] };

/** Rows of the table of faults; in the last column a path stands before the titles, or parts of them, that it has. */
const readFaults = async (): Promise<Fault[]> => {
  const text = await readFile(join(root, 'docs/ARCHITECTURE.md'), 'utf8');
  const section = /^## Faults and what happens\n([\s\S]*?)^## /m.exec(text)![1]!;
  const rows = section.split('\n').filter(line => line.startsWith('| '));
  return rows.slice(1).map(row => {
    const [fault, , shownBy] = row.slice(2, -2).split(' | ');
    const tests: { path: string; titles: string[] }[] = [];
    for (const [, path, title] of (shownBy ?? '').matchAll(/`([^`]+)`|"([^"]+)"/g)) {
      if (path !== undefined) tests.push({ path, titles: [] });
      else tests.at(-1)!.titles.push(title!);
    }
    return { fault: fault!, tests };
  });
};

test('each fault that the architecture names is shown by tests that exist under their titles', async () => {
  const faults = await readFaults();
  expect(faults.length).toBeGreaterThan(30);
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
});
