import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { firstMissing, OPERATIONS, readPage, readRecoveries } from './page.ts';

const FAILOVER = 'The database fails over';
/** Where pages are followed. */
const FOLDERS = [import.meta.dirname, join(import.meta.dirname, '../failover')];

const followed = async (): Promise<string[]> => {
  const titles: string[] = [];
  for (const folder of FOLDERS) {
    const names = (await readdir(folder)).filter(name => name.endsWith('.test.ts'));
    for (const name of names) {
      const text = await readFile(join(folder, name), 'utf8');
      titles.push(...[...text.matchAll(/follow\('([^']+)'/g)].map(match => match[1]!));
    }
  }
  return titles.sort();
};

test('every recovery has a page with steps, and every page is followed by a test', async () => {
  const recoveries = await readRecoveries();
  expect(recoveries.size).toBe(6);
  expect(await followed()).toEqual([...recoveries.keys(), FAILOVER].sort());
  for (const [title, steps] of recoveries) expect(steps.length, title).toBeGreaterThan(3);
});

test('every page that is followed ends with a look at the status, which is ok', async () => {
  for (const title of await followed()) {
    const last = (await readPage(title)).findLast(({ host }) => host === '');
    expect(last, title).toMatchObject({ command: 'tuf-depot status' });
    expect(last?.shown[0], title).toMatch(/^verdict: +ok$/);
  }
});

test('a page that says to follow steps of another one has them as its own', async () => {
  const restored = await readPage('The database was restored from yesterday');
  const steps = restored.filter(({ item }) => item >= 3 && item <= 10);
  const own = (await readPage(FAILOVER)).slice(-steps.length);
  expect(steps[0]).toMatchObject({ command: 'tuf-depot recover generation' });
  expect(own).toEqual(steps.map(step => ({ ...step, item: 5 })));
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

test('the output of a page is matched in order, with any words for …', () => {
  const output =
    'verdict:     failed\n  - release 1.2.0: 3 artifact(s) have no copy [RELEASE_FAILED] (just now)\n';
  expect(firstMissing(['verdict: failed', '- release 1.2.0: … [RELEASE_FAILED]'], output)).toBeUndefined();
  expect(firstMissing(['- release 1.2.0: … [RELEASE_BLOCKED]'], output)).toContain('RELEASE_BLOCKED');
  expect(firstMissing(['- release', 'verdict:'], output)).toBe('verdict:');
});
