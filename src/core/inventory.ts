/** The answers of the sleds in one round, as data for the planner and for the status. */
import type {
  ArtifactHash,
  Generation,
  IncarnationId,
  Point,
  RepoId,
  SledId,
  SystemVersion,
  UploadId,
} from './ids.ts';

/** The wanted set: the planner's view of the database. */
export type Wanted<Release extends WantedRelease = WantedRelease> = {
  readonly generation: Generation;
  /** Hash to length in bytes. */
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
  readonly releases: readonly Release[];
};

export type WantedRelease = {
  readonly repoId: RepoId;
  readonly systemVersion: SystemVersion;
  readonly artifacts: ReadonlySet<ArtifactHash>;
};

/** A sled that accepted our config and listed its artifacts, at the generation of that config. */
export type SledListing = {
  readonly kind: 'ok';
  /** Hash to the number of datasets that hold it; only wanted hashes, only counts above 0. */
  readonly held: ReadonlyMap<ArtifactHash, number>;
  /** Usable datasets: a hash on fewer of them is copied again (B9). */
  readonly datasets: number;
  /** Copies in flight on the sled: never requested twice (B7). */
  readonly copiesInFlight: ReadonlySet<ArtifactHash>;
  /** A life of the sled between two wipes; absent from sled agents that do not report it. */
  readonly incarnationId: IncarnationId | undefined;
  /** What the sled neither stores nor serves, as no metadata that it verified lists it; `held` has none of it. */
  readonly withheld?: ReadonlySet<ArtifactHash> | undefined;
};

/** Why a sled takes no part in this round. It delays only that sled's own copies (G8). */
export type SledSilence = { readonly sinceMs: number } & (
  | {
      readonly kind: /** Did not answer, or not in time. */
        | 'unreachable'
        /** Its answer was invalid. */
        | 'bad_answer'
        /** Another process is at its address, or its certificate is not valid: nothing was asked of it. */
        | 'other_identity'
        /** Answered with an error to our config or list: waiting for its floor, no usable dataset, … */
        | 'refused';
      readonly error: string;
      readonly code: string;
    }
  /** Knows a newer generation than the config that we read: our view is stale, and the next round has a newer one. */
  | {
      readonly kind: 'ahead';
      readonly claim: Point;
      readonly refusal?: string;
      /** It refuses the config as the successor of its own point: another round changes nothing by itself (C5). */
      readonly refusesSuccessor?: true;
      /** It takes the config only after a statement of an admin key that accepts the point of `claim` (C5). */
      readonly needsAcceptance?: true;
    }
  /** At a point that a read of the database, begun after its answer, does not know (P7). */
  | {
      readonly kind: 'diverged';
      readonly claim: Point;
      readonly database: Point;
      /** It compares points, so it takes configs that list no less. */
      readonly takesConfigs: boolean;
    }
);

export type InventorySled = {
  readonly id: SledId;
  readonly serial: string;
  readonly answer: SledListing | SledSilence;
  /** No put or copy goes to this sled before then, on the monotonic clock: it is full, or busy (B8, B14). */
  readonly writesPausedUntilMs?: number;
  readonly writesPausedBecause?: string;
  /** Was caught with other bytes than it lists (P9): a copy source only if no other sled has the artifact. */
  readonly isDistrusted?: boolean;
  /** It has no identity, so it copies only from sleds that have none either. */
  readonly isPlain?: boolean;
  /** It copies from sleds that still receive the artifact, too. */
  readonly copiesArriving?: boolean;
};

/** A local repo: one upload's archive, recorded in the database, still held here. */
export type LocalRepo = {
  readonly uploadId: UploadId;
  readonly repoId: RepoId;
  /** Hash to length in bytes. */
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
};

export const isListing = (answer: SledListing | SledSilence): answer is SledListing => answer.kind === 'ok';

/** The sleds that take part in this round. */
export const answeringSleds = (
  sleds: readonly InventorySled[],
): readonly (InventorySled & { readonly answer: SledListing })[] =>
  sleds.filter((sled): sled is InventorySled & { answer: SledListing } => isListing(sled.answer));
