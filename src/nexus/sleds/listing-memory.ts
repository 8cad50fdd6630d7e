/**
 * The last listing of each sled, for as long as the sled affirms it: at rest neither the config nor the list travels.
 *
 *     config acknowledged, list at its point ─▶ kept ─▶ a later round: "your list, unless it has this tag"
 *                                                  304 ─▶ the same listing, affirmed in that round
 *                                                  list ─▶ forgotten; config and list, as in the first round
 *
 * LM1. Kept is what a sled listed after it acknowledged the config to this Nexus: at the point of that config, with a lineage, with no
 *      deletion held, and with no bundle missing. So offering the config again would change nothing on the sled (P2, P13).
 * LM2. It counts only in a round that offers the same: point, releases, and what vouches for each.
 * LM3. It counts only if the sled affirms it within the round: a drop counts no listing that is older (G4, P9).
 * LM4. A sled is asked so once it has listed the same twice: while artifacts arrive, each round would ask in vain.
 * LM5. After some hours it is forgotten, at another time for each sled, so that no gauge is older.
 * LM6. Bounded: one for each sled in service.
 */
import { createHash } from 'node:crypto';
import { type Point, pointText, type SledId } from '../../core/ids.ts';
import type { SledListing } from '../../core/inventory.ts';
import type { Rng } from '../../core/rng.ts';
import type { SledReport } from '../../core/sled-report.ts';
import type { Clock } from '../../lib/clock.ts';
import { offeredReleases } from './offered-releases.ts';

const KEPT_MS = 4 * 3_600_000;

export type KeptListing = { readonly report: SledReport; readonly listing: SledListing };
type Kept = KeptListing & {
  readonly tag: string;
  readonly offer: string;
  readonly untilMs: number;
  /** The listing before had this tag too (LM4). */
  readonly isAtRest: boolean;
};

export type ListingMemory = {
  /** What the sled may affirm, in a round with this offer (LM2). */
  readonly kept: (id: SledId, offer: string) => (KeptListing & { readonly tag: string }) | undefined;
  /** The tag of the last listing that was kept, whatever was offered. */
  readonly tag: (id: SledId) => string | undefined;
  /** After the config of this offer was acknowledged; of no effect for a listing that may not be kept (LM1). */
  readonly keep: (id: SledId, offer: string, listed: KeptListing) => void;
  readonly forget: (id: SledId) => void;
  readonly retain: (sleds: ReadonlySet<SledId>) => void;
};

export const createListingMemory = ({
  clock,
  rng,
}: {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly rng: Rng;
}): ListingMemory => {
  const bySled = new Map<SledId, Kept>();
  return {
    kept(id, offer) {
      const kept = bySled.get(id);
      if (kept?.offer !== offer || !kept.isAtRest) return undefined;
      return kept.untilMs > clock.monotonicMs() ? kept : undefined;
    },
    tag: id => bySled.get(id)?.tag,
    keep(id, offer, { report, listing }) {
      const { tag } = report;
      if (tag === undefined || !isSettled(report)) return;
      const untilMs = clock.monotonicMs() + KEPT_MS * (0.5 + rng.next());
      const before = bySled.get(id);
      const isAtRest = before?.tag === tag && before.offer === offer;
      bySled.set(id, { tag, offer, report, listing, untilMs, isAtRest });
    },
    forget: id => void bySled.delete(id),
    retain(sleds) {
      for (const id of bySled.keys()) if (!sleds.has(id)) bySled.delete(id);
    },
  };
};

/** LM1 */
const isSettled = ({ hasLineage, deletionsHeld, bundles = [] }: SledReport): boolean =>
  hasLineage && deletionsHeld === undefined && bundles.every(({ state }) => state !== 'missing');

/** Equal for rounds that offer the same (LM2). Lengths follow from the hashes. */
export const offerOf = (
  round: Point & { readonly releases: Parameters<typeof offeredReleases>[0] },
): string => {
  const releases = JSON.stringify(offeredReleases(round.releases));
  return `${pointText(round)} ${createHash('sha256').update(releases).digest('hex')}`;
};
