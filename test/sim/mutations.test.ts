import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { judgeBySeeds, judgeByTests } from './judge-mutation.ts';
import { applyEdit, editsOf, isSeenBySeeds, isSeenByTests } from './mutations/mutation.ts';
import { MUTATIONS } from './mutations.ts';

const source = (file: string): Promise<string> =>
  readFile(join(import.meta.dirname, '../../src', file), 'utf8');

test('every mutation still finds what it replaces, once', async () => {
  const stale: string[] = [];
  for (const mutation of MUTATIONS)
    try {
      for (const edit of editsOf(mutation)) applyEdit(edit, await source(edit.file));
    } catch (error) {
      stale.push(`${mutation.name}: ${(error as Error).message}`);
    }
  expect(stale).toEqual([]);
});

test('a text that is not there, or is there twice, is an error and not a mutation that changes nothing', () => {
  const edit = { file: 'x.ts', find: 'one', replace: 'two' };
  expect(applyEdit(edit, 'one thing')).toBe('two thing');
  expect(() => applyEdit(edit, 'a thing')).toThrow(/0 times/);
  expect(() => applyEdit(edit, 'one or one')).toThrow(/2 times/);
});

test('there is a mutation for each guarantee, and for each rule that the simulator reaches', () => {
  const rules = ['G1', 'G2', 'G3', 'G4', 'G5', 'G6', 'G7', 'G8'];
  for (let rule = 1; rule <= 11; rule += 1) rules.push(`P${rule}`);
  rules.push('P13');
  const named = MUTATIONS.map(({ why }) => why).join('\n');
  expect(rules.filter(rule => !new RegExp(`\\b${rule}\\b`).test(named))).toEqual([]);
});

/** Those that a few seeds show; `npm run sim:mutations` runs all. */
const quick = MUTATIONS.filter(isSeenBySeeds).filter(({ withinSeeds }) => withinSeeds <= 20);

test.each(quick)('the simulator catches $name', { timeout: 300_000 }, async mutation => {
  const { violation } = await judgeBySeeds(mutation, { first: 1, seeds: mutation.withinSeeds });
  expect(mutation.breaks).toContain(violation?.guarantee);
});

const byTests = MUTATIONS.filter(isSeenByTests);

test.each(byTests)('$tests fails with $name', { timeout: 300_000 }, async mutation => {
  expect((await judgeByTests(mutation)).failed).toBeGreaterThan(0);
});
