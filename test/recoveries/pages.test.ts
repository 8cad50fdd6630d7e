import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { firstMissing, OPERATIONS, readPages } from './page.ts';

test('every recovery has a page with steps, and every page is followed by a test', async () => {
  const names = (await readdir(import.meta.dirname)).filter(name => name.endsWith('.test.ts'));
  const tests = await Promise.all(names.map(name => readFile(join(import.meta.dirname, name), 'utf8')));
  const followed = tests.flatMap(text => [...text.matchAll(/follow\('([^']+)'/g)].map(match => match[1]));
  const pages = await readPages();
  expect(pages.size).toBe(6);
  expect(followed.sort()).toEqual([...pages.keys()].sort());
  for (const [title, steps] of pages) expect(steps.length, title).toBeGreaterThan(3);
});

test('every page ends with a look at the status, which is ok', async () => {
  for (const [title, steps] of await readPages()) {
    const last = steps.findLast(({ host }) => host === '');
    expect(last, title).toMatchObject({ command: 'tuf-depot status' });
    expect(last?.shown[0], title).toMatch(/^verdict: +ok$/);
  }
});

test('every reference within docs/operations.md leads to a heading', async () => {
  const text = await readFile(OPERATIONS, 'utf8');
  const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
  for (const [, anchor] of text.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor);
});

test('what a page shows is looked for in its order, with any words for …', () => {
  const output =
    'verdict:     failed\n  - release 1.2.0: 3 artifact(s) have no copy [RELEASE_FAILED] (just now)\n';
  expect(firstMissing(['verdict: failed', '- release 1.2.0: … [RELEASE_FAILED]'], output)).toBeUndefined();
  expect(firstMissing(['- release 1.2.0: … [RELEASE_BLOCKED]'], output)).toContain('RELEASE_BLOCKED');
  expect(firstMissing(['- release', 'verdict:'], output)).toBe('verdict:');
});
