import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { createReleaseShelf } from '../../sim/fleet/releases.ts';
import type { RunOptions, RunResult } from '../../sim/run.ts';
import { BadArgument, readArguments } from './arguments.ts';
import { cutTrace, kindOf } from './failures.ts';
import { seedOfTree } from './first-seed.ts';
import { minimise } from './minimise.ts';
import { judgeSeed, stepsOf } from './outcome.ts';
import { type PooledResult, runPool, startThread } from './pool.ts';
import { replayCommand } from './replay.ts';
import { searchSeeds, seedsFrom } from './search.ts';

const root = resolve(import.meta.dirname, '../..');

const sim = async (...args: string[]) => {
  const child = spawn(resolve(root, 'bin/node24'), [resolve(root, 'test/sim/run.ts'), ...args]);
  const ended = new Promise<number | null>(done => child.once('close', done));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { stdout, stderr, code: await ended };
};

const SEEDS = 20;

test('every guarantee holds in runs of some seeds (G1, G2, G3, G4, G5, G6, G7, G8, T1, T2a, T3, T4)', {
  timeout: 240_000,
}, async () => {
  const all = new Set<string>();
  for await (const { seed, violation, reached } of searchSeeds({
    seeds: seedsFrom(1, SEEDS),
    size: 'small',
  })) {
    expect(violation, `npm run sim -- --size small --seed ${seed}`).toBeUndefined();
    for (const name of reached) all.add(name);
  }
  expect([...all]).toContain('a local repo was dropped');
});

describe('a replay', () => {
  test('of a seed gives the same bytes in another process, and the verdict last', {
    timeout: 240_000,
  }, async () => {
    const [one, two] = await Promise.all([sim('--seed', '3'), sim('--seed', '3')]);
    expect(one.stdout).toBe(two.stdout);
    const lines = one.stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('seed 3');
    expect(lines.filter(line => /^\d\d:\d\d:\d\d\.\d{3} {2}\S+ +\S/.test(line)).length).toBeGreaterThan(50);
    expect(one.stdout).toMatch(/\nseed 3 (holds|violates)/);
  });

  test('of a seed is the same after other runs in the same process', { timeout: 240_000 }, async () => {
    const shelf = createReleaseShelf();
    const traceOf = async (seed: number) => {
      const lines: string[] = [];
      await judgeSeed({ seed, size: 'small', shelf, write: line => void lines.push(line) });
      return lines;
    };
    const first = await traceOf(5);
    await traceOf(6);
    expect(await traceOf(5)).toEqual(first);
  });

  test.each([
    ['in a path', 'EROFS: /m2-0/'],
    ['by itself', '/m2-0 still has '],
  ])('leaves out ids of temporary files, which are random: %s', async (_, before) => {
    const name = (id: string) => `${before}.tmp-${'5a'.repeat(32)}-${id} is not writable`;
    const lines: string[] = [];
    const result = await judgeSeed(
      { seed: 1, size: 'small', shelf: createReleaseShelf(), write: line => void lines.push(line) },
      async ({ write }) => {
        write!(name('ef072240-9aa9-47d6-8707-e972e0a8df65'));
        throw new Error(name('468d2ebf-1292-4cb3-a073-30e083f2570c'));
      },
    );
    expect(lines[0]).toBe(name('…'));
    expect(result.violation!.message).toContain(name('…'));
  });

  test('runs only the chosen steps, and --quiet prints only the verdict', {
    timeout: 120_000,
  }, async () => {
    const number = stepsOf({ seed: 3, size: 'any', only: undefined })[0]!.number;
    const { stdout } = await sim('--seed', '3', '--steps', String(number), '--quiet', '--json');
    const records = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(records.map(({ kind }) => kind)).toEqual(['seed', 'verdict']);
    expect(records[1].steps).toEqual([number]);
  });
});

test('a search prints the first seed, the number of seeds, and the states that were never reached', {
  timeout: 120_000,
}, async () => {
  const { stdout } = await sim('--seeds', '2', '--first', '1', '--size', 'small', '--json');
  const records = stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  expect(records[0]).toMatchObject({ kind: 'seed', first: 1, size: 'small' });
  expect(records.at(-1)).toMatchObject({ kind: 'summary', first: 1, seeds: 2 });
  expect(records.at(-1).never_reached.length).toBeGreaterThan(0);
  expect(records.at(-1).reached['an upload was acknowledged']).toBeGreaterThan(0);
});

describe('arguments', () => {
  test.each([
    [[], /--seed, --seeds or --minutes/],
    [['--seed', 'x'], /--seed takes a whole number/],
    [['--seed', '-1'], /seed/],
    [['--seed', '1', '--seeds', '2'], /--seeds says nothing beside --seed/],
    [['--seeds', '0'], /--seeds takes a whole number from 1 on/],
    [['--seeds', '3', '--steps', '1'], /--steps says nothing without --seed/],
    [['--seed', '1', '--steps', '1,,2'], /--steps takes a whole number/],
    [['--minutes', '0'], /--minutes takes a number above 0/],
    [['--minutes', '1', '--first', '2', '--commit'], /--first says nothing beside --commit/],
    [['--seed', '1', '--size', 'huge'], /--size: must be small or any/],
    [['--sede', '1'], /--sede/],
  ])('%j are refused with a message', (args, message) => {
    expect(() => readArguments(args)).toThrow(BadArgument);
    expect(() => readArguments(args)).toThrow(message);
  });

  test('that are wrong end the command with 2 and its usage, without a stack', async () => {
    const { stdout, stderr, code } = await sim('--seeds', 'many');
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^sim: --seeds takes a whole number .*'many'\n\nnpm run sim/);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  test('of a replay are those that its command names', () => {
    const which = { seed: 7, size: 'small', only: new Set([3, 12]) } as const;
    const args = replayCommand(which).split(' ').slice(4);
    expect(readArguments(args)).toMatchObject({ kind: 'replay', ...which });
  });
});

test('a tree of files gives its own first seed, any other text a fixed one', () => {
  expect(seedOfTree('4d0195af00000000000000000000000000000000')).toBe(0x4d0195af);
  expect(seedOfTree('ffffffff00000000000000000000000000000000')).toBe(0x7fffffff);
  expect(seedOfTree('')).toBe(1);
  expect(seedOfTree('fatal: not a git repository')).toBe(1);
});

describe('the minimiser', () => {
  const parts = Array.from({ length: 50 }, (_, at) => at);
  const needs = (...needed: number[]) => {
    const tries: (readonly number[])[] = [];
    const fails = async (left: readonly number[]) => {
      tries.push(left);
      return needed.every(each => left.includes(each));
    };
    return { tries, fails };
  };

  test.each([[[]], [[0]], [[49]], [[7, 23, 24, 48]], [parts]])(
    'finds the parts that matter: %j',
    async needed => {
      expect(await minimise({ parts, fails: needs(...needed).fails })).toEqual(needed);
    },
  );

  test('keeps no single part that could be left out, if several subsets fail', async () => {
    const fails = async (left: readonly number[]) => left.filter(each => each % 2 === 0).length >= 3;
    const left = await minimise({ parts, fails });
    expect(left).toHaveLength(3);
    expect(await fails(left)).toBe(true);
  });

  test('that is ended early returns the smallest set that failed', async () => {
    const { tries, fails } = needs(3, 40);
    const smaller: (readonly number[])[] = [];
    const isOver = () => tries.length >= 6;
    const left = await minimise({ parts, fails, isOver, onSmaller: each => void smaller.push(each) });
    expect(tries).toHaveLength(6);
    expect(left.length).toBeLessThan(parts.length);
    expect(left).toEqual(smaller.at(-1));
    expect(left).toEqual(expect.arrayContaining([3, 40]));
  });
});

describe('an uncaught error in a run is a violation of "bug" of its seed', () => {
  const holds: RunResult = {
    seed: 9,
    violation: undefined,
    steps: [],
    reached: new Set(),
    virtualMs: 5,
    events: 1,
  };
  const options: RunOptions = { seed: 9, size: 'small', shelf: createReleaseShelf() };

  test('an exception that ends the run', async () => {
    const { violation, seed } = await judgeSeed(options, async () => {
      throw new RangeError('out of it');
    });
    expect(seed).toBe(9);
    expect(violation).toMatchObject({
      guarantee: 'bug',
      message: expect.stringMatching(/RangeError: out of it\n +at /),
    });
  });

  test('a listener is there for rejections and exceptions while it runs, and gone after it', async () => {
    const before = process.listenerCount('unhandledRejection');
    const { violation } = await judgeSeed(options, async () => {
      expect(process.listenerCount('unhandledRejection')).toBe(before + 1);
      process.listeners('unhandledRejection').at(-1)!(new TypeError('stray'), Promise.resolve());
      return holds;
    });
    expect(violation).toMatchObject({
      guarantee: 'bug',
      message: expect.stringContaining('TypeError: stray'),
    });
    expect(process.listenerCount('unhandledRejection')).toBe(before);
  });
});

describe('a pool of threads', () => {
  /** Hangs at seed 2, dies at 4, and has an unhandled rejection at 6. */
  const entry = new URL('./failing-worker.fixture.ts', import.meta.url);
  const runAll = async (seeds: number, onResult?: () => void, signal = new AbortController().signal) => {
    const results: PooledResult[] = [];
    await runPool({
      threads: 2,
      seeds: seedsFrom(1, seeds),
      size: 'small',
      signal,
      entry,
      hangMs: 10_000,
      onResult(result) {
        results.push(result);
        onResult?.();
      },
    });
    return results.sort((a, b) => a.seed - b.seed);
  };

  test('reports a seed that hangs or ends its thread, and goes on with the others', async () => {
    const results = await runAll(6);
    expect(results.map(({ seed }) => seed)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(results.filter(({ isHang }) => isHang).map(({ seed }) => seed)).toEqual([2]);
    expect(results[3]!.violation).toMatchObject({ guarantee: 'bug', message: expect.stringMatching(/died/) });
    expect(results[5]!.violation).toMatchObject({
      guarantee: 'bug',
      message: expect.stringMatching(/stray/),
    });
  });

  test('whose threads cannot start rejects', async () => {
    const broken = new URL('data:text/javascript,throw new Error("no such module")');
    await expect(startThread(broken)).rejects.toThrow(/no such module/);
    await expect(startThread(new URL('data:text/javascript,'))).rejects.toThrow(/ended with 0/);
  });

  test('aborts its runs at its signal', async () => {
    const stop = new AbortController();
    const results = await runAll(Number.POSITIVE_INFINITY, () => stop.abort(), stop.signal);
    expect(results.map(({ isHang }) => isHang)).toEqual([false]);
  });
});

test('failures that differ in numbers and names only are one', () => {
  const one = { guarantee: 'G1', message: `sled-1 has ${'ab12'.repeat(16)} on 0 of 3`, atMs: 5 } as const;
  const other = { guarantee: 'G1', message: `sled-2 has ${'cd34'.repeat(16)} on 1 of 2`, atMs: 9 } as const;
  expect(kindOf(one)).toBe(kindOf(other));
  expect(kindOf({ ...one, guarantee: 'G3' })).not.toBe(kindOf(one));
});

test('a cut trace keeps the steps, the first lines of each shape, and the end', () => {
  const at = (second: number) => `00:00:${String(second % 60).padStart(2, '0')}.000  `;
  const lines = [
    `${at(0)}#         step 3: kill a sled (4 s)`,
    `${at(1)}nexus-1   releases present  generation=1`,
    ...Array.from({ length: 500 }, (_, n) => `${at(n)}sled-1    registered with Nexus  floor=${n}`),
    `${at(2)}sled-1    copy failed`,
  ];
  const cut = cutTrace(lines, 50);
  expect(cut.length).toBeLessThan(40);
  expect(cut.slice(0, 3)).toEqual(lines.slice(0, 3));
  expect(cut).toContain(lines.at(-1));
  expect(cut.at(-1)).toMatch(/\d+ lines left out/);
  expect(cutTrace(lines.slice(0, 4), 50)).toEqual(lines.slice(0, 4));
});
