/** Sleds that pass on what they have verified of an artifact, before they have all of it: PL11 of plan.ts. */
import type { ArtifactHash, SledId } from '../ids.ts';
import type { PlanInput, PlanSled, TransferUnderWay } from './input.ts';
import { isOverdue } from './quota.ts';

export type ArrivingSource = {
  readonly sled: PlanSled;
  /** How many sleds the bytes pass before they arrive there, and that one. */
  readonly depth: number;
  readonly startedMs: number;
};

type View = {
  readonly sha256: ArtifactHash;
  /** Transfers of this artifact, by their target. */
  readonly underWay: ReadonlyMap<SledId, TransferUnderWay>;
  readonly input: Pick<PlanInput, 'nowMs' | 'typicalBytesPerMs'>;
};

/** The nearest to a whole copy first; of those, what began first. */
export const arrivingSources = (answering: readonly PlanSled[], view: View): readonly ArrivingSource[] => {
  const { underWay, sha256 } = view;
  if (![...underWay.values()].some(({ passesOn }) => passesOn === true)) return [];
  const holds = new Map(answering.map(({ id, answer }) => [id, (answer.held.get(sha256) ?? 0) > 0]));
  const depthOf = createDepths(view, {
    isHolder: id => holds.get(id) === true,
    isAnswering: id => holds.has(id),
  });
  return answering
    .flatMap(sled => {
      const transfer = underWay.get(sled.id);
      const depth = transfer?.passesOn === true && sled.isDistrusted !== true ? depthOf(sled.id) : undefined;
      return transfer === undefined || depth === undefined
        ? []
        : [{ sled, depth, startedMs: transfer.startedMs }];
    })
    .toSorted((a, b) => a.depth - b.depth || a.startedMs - b.startedMs);
};

type IsSled = (id: SledId) => boolean;

/** Undefined for a sled whose bytes come late, or from nowhere: no chain of transfers ends at itself (PL11). */
const createDepths = (
  { underWay, input }: View,
  { isHolder, isAnswering }: { readonly isHolder: IsSled; readonly isAnswering: IsSled },
) => {
  const known = new Map<SledId, number | undefined>();
  return (id: SledId): number | undefined => {
    const chain: SledId[] = [];
    let depth: number | undefined = 0;
    for (let at: SledId | undefined = id; at !== undefined; ) {
      if (known.has(at)) {
        depth = known.get(at);
        break;
      }
      if (isHolder(at)) break;
      const transfer = underWay.get(at);
      // On the way to `id` already: a chain without a beginning.
      known.set(at, undefined);
      chain.push(at);
      if (transfer?.passesOn !== true || !isAnswering(at) || isOverdue(transfer, input)) {
        depth = undefined;
        break;
      }
      at = transfer.source;
    }
    for (const link of chain.reverse()) {
      if (depth !== undefined) depth += 1;
      known.set(link, depth);
    }
    return known.get(id);
  };
};
