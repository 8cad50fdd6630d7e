/** The input of a plan. */
import type { ArtifactHash, SledId } from '../ids.ts';
import type { InventorySled, LocalRepo, SledListing, Wanted } from '../inventory.ts';

export type Pair = { readonly sledId: SledId; readonly sha256: ArtifactHash };
export const pairKey = (sledId: SledId, sha256: ArtifactHash): string => `${sledId}/${sha256}`;

export type Backoff = { readonly untilMs: number; readonly because: string };

/** A source from which a sled failed to copy: how long it copies nothing from there, and how often each artifact failed. */
export type RouteFailure = Backoff & {
  readonly artifacts: ReadonlyMap<ArtifactHash, Backoff & { readonly failures: number }>;
};

/** By sled, then by source (B21). */
export type RouteFailures = ReadonlyMap<SledId, ReadonlyMap<SledId, RouteFailure>>;

/** In places, which {@link Quota} shares out. */
export type TransferLimits = {
  /** Puts and copies under way at once, in all. */
  readonly maxTransfers: number;
  /** Puts and copies that one sled receives at once. */
  readonly maxTransfersToSled: number;
  /** Copies that one sled serves at once. */
  readonly maxCopiesFromSource: number;
  /** Puts at once: all of them read the staging directory's disk and share Nexus's uplink. */
  readonly maxPuts: number;
  /** A shorter artifact takes a share of a place (QU2). */
  readonly smallBytes: number;
};

/** A put or a copy that this Nexus has requested, and of whose end it does not know. */
export type TransferUnderWay = Pair & {
  /** Undefined for a put. */
  readonly source: SledId | undefined;
  readonly sizeBytes: number;
  /** On the monotonic clock. */
  readonly startedMs: number;
  /** Its sled passes on what it has verified of the artifact, before it has all of it (PL11). */
  readonly passesOn?: boolean;
  /** A copy whose source still received the artifact when it was ordered. */
  readonly arriving?: boolean;
};

export type PlanInput = {
  readonly wanted: Wanted;
  /** In-service sleds only; expunged ones do not count (S23). */
  readonly sleds: readonly InventorySled[];
  /** Read before `wanted` was (P1). */
  readonly local: readonly LocalRepo[];
  readonly policy: { readonly minSledReplication: number; readonly limits: TransferLimits };
  readonly underWay: readonly TransferUnderWay[];
  /** Sleds that lack something and receive nothing, and since when (PL1). */
  readonly idleSinceMs: ReadonlyMap<SledId, number>;
  /** The rate of most transfers, if any has ended (QU3). */
  readonly typicalBytesPerMs?: number | undefined;
  /** {@link pairKey} to the time before which this artifact is not sent to this sled again, and why. */
  readonly backoff: ReadonlyMap<string, Backoff>;
  readonly routes: RouteFailures;
  /** On the monotonic clock. */
  readonly nowMs: number;
};

/** A sled that takes part in the round. */
export type PlanSled = InventorySled & { readonly answer: SledListing };
