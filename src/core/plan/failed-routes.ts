/** The plan's view of copies that failed at their source: PL9 and PL10 of plan.ts. */
import type { Blocked } from '../facts/blocked.ts';
import type { ArtifactHash, SledId } from '../ids.ts';
import { type Backoff, type PlanInput, type PlanSled, pairKey } from './input.ts';

type View = {
  readonly sha256: ArtifactHash;
  readonly input: Pick<PlanInput, 'backoff' | 'routes' | 'nowMs'>;
};

/** A source that failed for this sled, for as long as the sled does not copy the artifact from there. */
export const pauseOf = (sled: PlanSled, source: SledId, { sha256, input }: View): Backoff | undefined => {
  const route = input.routes.get(sled.id)?.get(source);
  return [route?.artifacts.get(sha256), route].find(
    pause => pause !== undefined && pause.untilMs > input.nowMs,
  );
};

export const failuresOf = (sled: PlanSled, source: SledId, { sha256, input }: View): number =>
  input.routes.get(sled.id)?.get(source)?.artifacts.get(sha256)?.failures ?? 0;

/** How many sources failed for the sled with this artifact. */
export const failedSources = (sled: PlanSled, { sha256, input }: View): number =>
  [...(input.routes.get(sled.id)?.values() ?? [])].filter(({ artifacts }) => artifacts.has(sha256)).length;

/** PL10: sleds that lack it after transfers failed, and are sent it all the same. */
export const retriedIn = (
  lacking: readonly PlanSled[],
  { sha256, input }: View,
  blocked: readonly Blocked[],
): Blocked<'TRANSFER_FAILED'>[] => {
  if (input.routes.size === 0 && input.backoff.size === 0) return [];
  return lacking.flatMap(sled => {
    const routes = [...(input.routes.get(sled.id)?.values() ?? [])];
    const ofPair = input.backoff.get(pairKey(sled.id, sha256));
    const failures = [
      ...routes.flatMap(({ artifacts }) => artifacts.get(sha256) ?? []),
      ...(ofPair ? [ofPair] : []),
    ];
    const [last] = failures.toSorted((a, b) => b.untilMs - a.untilMs);
    const isNamed = blocked.some(each => 'sledId' in each && each.sledId === sled.id);
    if (last === undefined || isNamed) return [];
    const { id: sledId, serial } = sled;
    return [{ code: 'TRANSFER_FAILED', sha256, sledId, serial, error: last.because }];
  });
};
