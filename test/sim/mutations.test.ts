import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readSources, readTests, testsNamed } from './definitions.ts';
import { judgeBySeeds, judgeByTests } from './judge-mutation.ts';
import { mutatedSources } from './mutated-sources.ts';
import { isSeenBySeeds, isSeenByTests, type Mutation } from './mutations/mutation.ts';
import { MUTATIONS } from './mutations.ts';

test('every mutation still applies: its definitions, their texts and its tests are there, once each', () => {
  const [sources, tests] = [readSources(), readTests()];
  const stale: string[] = [];
  for (const mutation of MUTATIONS)
    try {
      mutatedSources(mutation, sources);
      if (isSeenByTests(mutation)) testsNamed(mutation.tests, tests);
    } catch (error) {
      stale.push(`${mutation.name}: ${(error as Error).message}`);
    }
  expect(stale).toEqual([]);
});

test('every mutation has its row in docs/testing.md, with the rules that it breaks and what notices it, and no row is of another', async () => {
  const text = await readFile(new URL('../../docs/testing.md', import.meta.url), 'utf8');
  const [, tables = ''] = /^## What the simulator catches\n([\s\S]*?)^## /m.exec(text) ?? [];
  const rows = [...tables.matchAll(/^\| `([a-z-]+)` \| ([^|]*) \| ([^|]*) \|/gm)].map(row => row.slice(1));
  const noticedBy = (mutation: Mutation): string[] => {
    if (isSeenBySeeds(mutation)) return [...mutation.breaks];
    return [mutation.tests, `\`${mutation.tests}\``, `"${mutation.tests}"`];
  };
  for (const mutation of MUTATIONS) {
    const [, rules, noticed = ''] = rows.find(([name]) => name === mutation.name) ?? [];
    expect(rules, mutation.name).toBe(mutation.why.split(':')[0]);
    expect(noticedBy(mutation), mutation.name).toContain(
      isSeenBySeeds(mutation) ? noticed.replaceAll('`', '') : noticed,
    );
  }
  expect(rows.map(([name]) => name).toSorted()).toEqual(MUTATIONS.map(({ name }) => name).toSorted());
});

test('there is a mutation for each guarantee, and for each rule that the simulator reaches', () => {
  const rules = ['G1', 'G2', 'G3', 'G4', 'G5', 'G6', 'G7', 'G8'];
  for (let rule = 1; rule <= 11; rule += 1) rules.push(`P${rule}`);
  rules.push('P13', 'T4');
  const named = MUTATIONS.map(({ why }) => why).join('\n');
  expect(rules.filter(rule => !new RegExp(`\\b${rule}\\b`).test(named))).toEqual([]);
});

/** Mutations that a few seeds show; `npm run sim:mutations` runs all. */
const quick = MUTATIONS.filter(isSeenBySeeds).filter(({ withinSeeds }) => withinSeeds <= 20);

test.each(quick)('the simulator catches $name', { timeout: 300_000 }, async mutation => {
  const { violation } = await judgeBySeeds(mutation, { first: 1, seeds: mutation.withinSeeds });
  expect(mutation.breaks).toContain(violation?.guarantee);
});

const byTests = MUTATIONS.filter(isSeenByTests);

test.each(byTests)('$tests fails with $name', { timeout: 300_000 }, async mutation => {
  expect((await judgeByTests(mutation)).failed).toBeGreaterThan(0);
});
