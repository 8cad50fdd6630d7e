/** The results of a search so far, and their summary. */
import { SOMETIMES, type Sometimes } from '../../sim/trace.ts';
import { GUARANTEES } from '../../sim/violation.ts';
import type { Output } from './output.ts';
import type { PooledResult } from './pool.ts';

const DAY_MS = 86_400_000;
/** So many seeds are named for one guarantee. */
const MOST_NAMED = 20;

export type Tally = {
  readonly add: (result: PooledResult) => void;
  readonly seeds: () => number;
  readonly failures: () => number;
  /** @param tookMs the time of the search so far */
  readonly sayProgress: (output: Output, tookMs: number) => void;
  readonly saySummary: (output: Output, first: number, tookMs: number) => void;
};

export const createTally = (): Tally => {
  const runs = new Map<Sometimes, number>(SOMETIMES.map(name => [name, 0]));
  const failures = new Map<string, number[]>();
  let seeds = 0;
  let virtualMs = 0;
  const failed = () => [...failures.values()].reduce((sum, each) => sum + each.length, 0);
  const perMinute = (tookMs: number) => Math.round((seeds * 60_000) / Math.max(1, tookMs));
  return {
    add(result) {
      seeds += 1;
      virtualMs += result.virtualMs;
      for (const name of result.reached) runs.set(name, runs.get(name)! + 1);
      const kind = failureKind(result);
      if (kind !== undefined) failures.set(kind, [...(failures.get(kind) ?? []), result.seed]);
    },
    seeds: () => seeds,
    failures: failed,
    sayProgress(output, tookMs) {
      const seconds = Math.round(tookMs / 1000);
      output.say(
        `${String(seconds).padStart(6)} s  ${seeds} seeds, ${perMinute(tookMs)} a minute, ${failed()} failures`,
        { kind: 'progress', seconds, seeds, per_minute: perMinute(tookMs), failures: failed() },
      );
    },
    saySummary(output, first, tookMs) {
      const seconds = Math.round(tookMs / 1000);
      const never = SOMETIMES.filter(name => runs.get(name) === 0);
      const lines = [
        `${seeds} seeds from ${first} in ${seconds} s: ${perMinute(tookMs)} a minute, ${(virtualMs / DAY_MS).toFixed(1)} days of virtual time`,
        `reached, with the number of runs: ${[...runs].flatMap(([name, count]) => (count > 0 ? [`${name} ${count}`] : [])).join(', ')}`,
        `never reached: ${never.join(', ') || 'none, all were reached'}`,
        ...[...failures].map(
          ([kind, each]) => `violated: ${kindText(kind)} ${each.length} times, by ${named(each)}`,
        ),
        failures.size === 0 ? 'every seed holds' : `${failed()} of ${seeds} seeds failed`,
      ];
      output.say(lines.join('\n'), {
        kind: 'summary',
        first,
        seeds,
        seconds,
        per_minute: perMinute(tookMs),
        virtual_ms: Math.round(virtualMs),
        reached: Object.fromEntries(runs),
        never_reached: never,
        failures: Object.fromEntries(failures),
      });
    },
  };
};

/** The guarantee that a run violates, or `hang`; undefined if it holds. */
const failureKind = ({ violation, isHang }: PooledResult): string | undefined =>
  isHang ? 'hang' : violation?.guarantee;

export const kindText = (kind: string): string =>
  kind === 'hang' ? 'hang (a run ends)' : `${kind} (${GUARANTEES[kind as keyof typeof GUARANTEES]})`;

const named = (seeds: readonly number[]): string =>
  `${seeds.slice(0, MOST_NAMED).join(', ')}${seeds.length > MOST_NAMED ? ' …' : ''}`;
