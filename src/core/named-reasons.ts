/**
 * Which reasons an answer names, of more than a person reads: a fleet of ten thousand sleds that cannot be reached has as many.
 *
 * NR1. Each code is counted whole, whatever is named of it.
 * NR2. Each code has some of its reasons named, a bounded number; where all codes together have too many, the worst codes have more.
 * NR3. What is named keeps its order.
 */
import type { HealthReason, ReasonCode, Verdict } from './facts/reason.ts';
import { reasonCodes } from './health.ts';

/** With its sentences a reason is half a kilobyte. */
const MOST_NAMED = 100;
const MOST_OF_A_CODE = 20;

type NamedReasons = {
  readonly named: readonly HealthReason[];
  /** Of each code that there is; the worst ones first. */
  readonly totals: readonly { readonly code: ReasonCode; readonly total: number }[];
};

const WORST_FIRST: readonly Verdict[] = ['failed', 'degraded', 'converging', 'ok'];

export const nameReasons = (reasons: readonly HealthReason[], most = MOST_NAMED): NamedReasons => {
  const byCode = new Map<ReasonCode, HealthReason[]>();
  for (const reason of reasons) {
    const known = byCode.get(reason.code);
    if (known === undefined) byCode.set(reason.code, [reason]);
    else known.push(reason);
  }
  const codes = [...byCode].sort(([a], [b]) => rankOf(a) - rankOf(b));
  const chosen = new Set<HealthReason>();
  for (let at = 0; at < MOST_OF_A_CODE; at += 1)
    for (const [, its] of codes) {
      const reason = its[at];
      if (reason !== undefined && chosen.size < most) chosen.add(reason);
    }
  return {
    named: chosen.size === reasons.length ? reasons : reasons.filter(reason => chosen.has(reason)),
    totals: codes.map(([code, its]) => ({ code, total: its.length })),
  };
};

const rankOf = (code: ReasonCode): number => WORST_FIRST.indexOf(reasonCodes[code]);
