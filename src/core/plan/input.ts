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

export type RequestLimits = {
  /** Puts and copies of one round. */
  readonly maxRequestsPerActivation: number;
  /** Puts and copies that one sled receives at a time, those in flight from earlier rounds included. */
  readonly maxTransfersToSled: number;
  /** Copies of one round that one sled serves. */
  readonly maxCopiesFromSource: number;
};

export type PlanInput = {
  readonly wanted: Wanted;
  /** In-service sleds only; expunged ones do not count (S23). */
  readonly sleds: readonly InventorySled[];
  /** Read before `wanted` was (P1). */
  readonly local: readonly LocalRepo[];
  readonly policy: { readonly minSledReplication: number; readonly limits: RequestLimits };
  /** Puts of an earlier round that are still being sent. */
  readonly putsInFlight: readonly Pair[];
  /** {@link pairKey} to the time before which this artifact is not sent to this sled again, and why. */
  readonly backoff: ReadonlyMap<string, Backoff>;
  readonly routes: RouteFailures;
  /** On the monotonic clock. */
  readonly nowMs: number;
};

/** A sled that takes part in the round. */
export type PlanSled = InventorySled & { readonly answer: SledListing };
