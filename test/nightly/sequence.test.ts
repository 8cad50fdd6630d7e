import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chooseSteps, commandOf, hasPassed, lineOf, type Outcome, runSteps, type Step } from './sequence.ts';
import { nightlySteps } from './steps.ts';

const root = join(import.meta.dirname, '../..');

const step = (name: string, more: Partial<Step> = {}): Step => ({ name, script: name, args: [], ...more });

/** Each step takes 90 seconds, and fails as `failures` says. */
const run = async (steps: readonly Step[], failures: Readonly<Record<string, string>> = {}) => {
  const ran: string[] = [];
  const lines: string[] = [];
  let nowMs = 0;
  const outcomes = await runSteps(steps, {
    nowMs: () => nowMs,
    print: line => lines.push(line),
    async execute({ name }) {
      ran.push(name);
      nowMs += 90_000;
      if (failures[name] === 'throws') throw new Error('no npm');
      return failures[name];
    },
  });
  return { outcomes, ran, lines };
};

const kinds = (outcomes: readonly Outcome[]) => outcomes.map(({ name, kind }) => `${name} ${kind}`);

test('a step that fails does not keep later ones from running, and the night has failed', async () => {
  const { outcomes, ran, lines } = await run([step('first'), step('second'), step('third')], {
    first: 'ended with 1',
    second: 'throws',
  });
  expect(ran).toEqual(['first', 'second', 'third']);
  expect(kinds(outcomes)).toEqual(['first failed', 'second failed', 'third passed']);
  expect(hasPassed(outcomes)).toBe(false);
  expect(lines).toEqual([
    '\n== first: npm run first',
    'first         failed      90 s  ended with 1',
    '\n== second: npm run second',
    'second        failed      90 s  no npm',
    '\n== third: npm run third',
    'third         passed      90 s',
  ]);
});

test('a step that this machine cannot run is not run, says what is missing, and is not passed', async () => {
  const missing = async () => 'libpqwalreceiver.so';
  const { outcomes, ran } = await run([step('first', { missing }), step('second')]);
  expect(ran).toEqual(['second']);
  expect(kinds(outcomes)).toEqual(['first skipped', 'second passed']);
  expect(lineOf(outcomes[0]!)).toBe('first         skipped      0 s  without libpqwalreceiver.so');
  expect(hasPassed(outcomes)).toBe(true);
  expect(hasPassed(outcomes.slice(0, 1))).toBe(false);
});

test('a step that has what it needs is run; one that cannot find out has failed', async () => {
  const { outcomes, ran } = await run([
    step('first', { missing: () => Promise.reject(new Error('no binaries')) }),
    step('second', { missing: async () => undefined }),
  ]);
  expect(ran).toEqual(['second']);
  expect(kinds(outcomes)).toEqual(['first failed', 'second passed']);
});

test('steps are chosen by name, in their own order, and a name of none is an error', () => {
  const steps = [step('first'), step('second'), step('third')];
  expect(chooseSteps(steps, undefined)).toEqual(steps);
  expect(chooseSteps(steps, ['third', 'first'])).toEqual([steps[0], steps[2]]);
  expect(() => chooseSteps(steps, ['fourth'])).toThrow('there is no step fourth, only first, second, third');
});

test('the steps of a night are scripts of package.json, and the workflow and docs/testing.md have all of them', async () => {
  const steps = nightlySteps(90);
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect(steps.filter(({ script }) => !(script in scripts))).toEqual([]);
  expect(steps.map(commandOf)).toContain('npm run sim -- --minutes 90');
  const names = steps.map(({ name }) => name);
  const workflow = await readFile(join(root, '.github/workflows/nightly.yml'), 'utf8');
  expect([...workflow.matchAll(/^ {10}- ([\w-]+)$/gm)].map(match => match[1])).toEqual(names);
  const page = await readFile(join(root, 'docs/testing.md'), 'utf8');
  const [, section] = /^## The night\n([\s\S]*?)^## /m.exec(page)!;
  expect([...section!.matchAll(/^\| `([\w-]+)` \|/gm)].map(match => match[1])).toEqual(names);
});
