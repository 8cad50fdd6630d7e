/**
 * A campaign: inputs by their number, one after another, until the time is up or one of them is a finding.
 *
 *     number ─▶ seededRng ─▶ seed ─▶ mutate ─▶ judge ─▶ verdict
 *
 * The number alone makes the input: what a thread that hangs or dies was working on is made again by another one.
 */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Rng, seededRng } from '../../src/core/rng.ts';
import { mutate } from './mutate.ts';
import { type FuzzTarget, MAX_MS, MAX_RETAINED_BYTES } from './target.ts';

export type PreparedTarget = {
  readonly target: FuzzTarget;
  readonly seeds: readonly Uint8Array[];
  readonly words: readonly Uint8Array[];
};

export type Tally = { readonly cases: number; readonly accepted: number };

export const prepare = async (target: FuzzTarget): Promise<PreparedTarget> => ({
  target,
  seeds: await target.seeds(),
  words: target.words.map(word => Buffer.from(word as string)),
});

export const inputOf = (number: number, { seeds, words }: PreparedTarget): { bytes: Buffer; rng: Rng } => {
  const rng = seededRng(number);
  const seed = seeds[rng.below(seeds.length)]!;
  return { bytes: mutate(seed, rng, { seeds, words }), rng };
};

const MAX_PIECE_BYTES = 700;

/**
 * @returns whether a reader accepted it
 * @throws what the judge throws, or an AssertionError about time
 */
export const judgeBytes = async (
  bytes: Uint8Array,
  target: FuzzTarget,
  pieceBytes: number,
): Promise<boolean> => {
  const start = performance.now();
  const copy = Buffer.from(bytes);
  const verdict = await target.judge(bytes, { pieceBytes });
  assert(copy.equals(bytes), 'a reader leaves its input as it is');
  const tookMs = performance.now() - start;
  assert(tookMs < MAX_MS, `an input takes less than ${MAX_MS} ms; this one took ${Math.round(tookMs)}`);
  return verdict.split(',').some(part => !part.startsWith('refused'));
};

export type CampaignOptions = {
  readonly first: number;
  readonly deadlineMs: number;
  readonly maxCases?: number;
  /** Told of each number before its input is judged. */
  readonly begins?: (number: number) => void;
};

const MEMORY_CHECK_CASES = 200;

/** @throws what the first finding throws; `begins` was told its number */
export const runCampaign = async (prepared: PreparedTarget, options: CampaignOptions): Promise<Tally> => {
  const { first, deadlineMs, maxCases = Number.POSITIVE_INFINITY, begins } = options;
  const before = process.memoryUsage().arrayBuffers;
  let accepted = 0;
  let cases = 0;
  while (performance.now() < deadlineMs && cases < maxCases) {
    const number = first + cases;
    begins?.(number);
    const { bytes, rng } = inputOf(number, prepared);
    if (await judgeBytes(bytes, prepared.target, 1 + rng.below(MAX_PIECE_BYTES))) accepted += 1;
    cases += 1;
    if (cases % MEMORY_CHECK_CASES === 0) await requireMemory(before);
  }
  return { cases, accepted };
};

const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
};

/** Buffers that one collection finds dead are freed by another thread, and are gone for certain after the next one. */
const COLLECTIONS = 5;
const FREED_WITHIN_MS = 200;

const requireMemory = async (before: number): Promise<void> => {
  const retained = () => process.memoryUsage().arrayBuffers - before;
  for (let times = 0; retained() >= MAX_RETAINED_BYTES && times < COLLECTIONS; times += 1) {
    collectGarbage();
    await setTimeout(FREED_WITHIN_MS);
  }
  assert(
    retained() < MAX_RETAINED_BYTES,
    `${retained()} bytes are kept after ${COLLECTIONS} collections; the bound is ${MAX_RETAINED_BYTES}`,
  );
};
