import { describe, expect, test } from 'vitest';
import { handMadeTar } from '../../src/archive/hand-made-tar.fixture.ts';
import { inputOf, judgeBytes, prepare, runCampaign } from './campaign.ts';
import type { FuzzTarget } from './target.ts';
import { FUZZ_TARGETS } from './targets.ts';

const CASES = 250;
const far = { first: 1, deadlineMs: Number.POSITIVE_INFINITY };

describe.each(FUZZ_TARGETS)('the $name reader', target => {
  test('accepts the seeds, in pieces of any length', async () => {
    for (const seed of await target.seeds()) {
      for (const pieceBytes of [1, 100, 100_000])
        expect(await judgeBytes(seed, target, pieceBytes)).toBe(true);
    }
  });

  test('answers every mutation, and mutations reach both answers', async () => {
    const { cases, accepted } = await runCampaign(await prepare(target), { ...far, maxCases: CASES });
    expect(cases).toBe(CASES);
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(CASES);
  });
});

test('a tar header that announces more than the archive has is refused where the content ends: no finding', async () => {
  const tar = FUZZ_TARGETS.find(({ name }) => name === 'tar')!;
  const input = handMadeTar([{ name: 'more', data: 'than there is', size: '00000031000' }]);
  for (const pieceBytes of [1, 100, 100_000]) expect(await judgeBytes(input, tar, pieceBytes)).toBe(false);
});

test('a number makes the same input every time', async () => {
  for (const target of FUZZ_TARGETS) {
    const [one, two] = [inputOf(7, await prepare(target)), inputOf(7, await prepare(target))];
    expect(one.bytes.equals(two.bytes), target.name).toBe(true);
  }
});

const reader = (judge: (bytes: Uint8Array) => string): FuzzTarget => ({
  name: 'wrong',
  words: ['x'],
  seeds: async () => [Buffer.from('seed')],
  judge: async bytes => judge(bytes),
});

test.each<[string, FuzzTarget, RegExp]>([
  ['an error of no code', reader(bytes => String((bytes as unknown as { a: { b: 1 } }).a.b)), /undefined/],
  ['a reader that changes its input', reader(bytes => String(bytes.fill(1))), /leaves its input/],
])('%s is a finding, and its number is known', async (_, target, message) => {
  let number = 0;
  const begins = (current: number) => {
    number = current;
  };
  await expect(runCampaign(await prepare(target), { ...far, begins, maxCases: 50 })).rejects.toThrow(message);
  expect(number).toBeGreaterThan(0);
});

test('a reader that keeps what it was given is a finding, one that drops it is none', async () => {
  const kept: Buffer[] = [];
  const keeping = reader(() => String(kept.push(Buffer.alloc(2 ** 20))));
  await expect(runCampaign(await prepare(keeping), { ...far, maxCases: 200 })).rejects.toThrow(
    /bytes are kept/,
  );
  const dropping = reader(() => String(Buffer.alloc(2 ** 20).length));
  expect(await runCampaign(await prepare(dropping), { ...far, maxCases: 400 })).toMatchObject({ cases: 400 });
});
