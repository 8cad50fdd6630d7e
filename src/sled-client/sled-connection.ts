/** The requests of Nexus to a sled, independent of the transport. */
import type { OfferedConfig } from '../core/artifact-config.ts';
import type { AuditHead } from '../core/audit-chain.ts';
import type { KeptHead } from '../core/audit-heads.ts';
import type { ArtifactHash, Generation, Point, SledId } from '../core/ids.ts';
import type { RegisteredHead } from '../core/lineage.ts';
import type { SizedPrefixes } from '../core/prefix-digests.ts';
import type { Revocation } from '../core/revocation.ts';
import type { CopyOutcome, PutResult, SledReport } from '../core/sled-report.ts';
import type { SignedStatement } from '../core/statement.ts';
import type { Endpoint, Scheme } from '../lib/endpoint.ts';
import type { StatementRefusal } from '../sled-wire/statements.ts';

export type { StatementRefusal };

/** How far behind the beginning a range may start on a sled whose depot sends the whole file: what comes before is read too. */
export const MAX_SKIPPED_BYTES = 16 * 1024 * 1024;

export type SledTarget = {
  readonly id: SledId;
  readonly serial: string;
  readonly agent: Endpoint;
  readonly depot: Endpoint;
  /** It is approved to speak plain HTTP, and has no identity: it cannot copy from sleds that have one. */
  readonly isPlain?: boolean;
  /** As registered; null for a sled agent that does not compare points, and is asked for its config instead (P13). */
  readonly heads: readonly RegisteredHead[] | null;
};

/** The config of a sled, as the sled reports it. */
export type SledConfig = Point & { readonly artifacts: ReadonlySet<ArtifactHash> };

type Wait = { readonly signal: AbortSignal };

/**
 * Every failure is a `DepotError`: with the sled's own code where it answered one (and `retry_after_s` in the
 * detail where it said so), `PEER_UNREACHABLE`, `PEER_STALLED` or `PEER_BAD_ANSWER` otherwise.
 */
export type SledConnection = {
  /** Of the endpoints of sleds that are not approved as plain. */
  readonly scheme: Scheme;
  readonly putConfig: (sled: SledTarget, config: OfferedConfig, wait: Wait) => Promise<void>;
  /** The config in force, or the one of a point that the sled has or keeps. Its digest is computed from what it lists. */
  readonly config: (sled: SledTarget, options: Wait & { readonly point?: Point }) => Promise<SledConfig>;
  readonly list: (sled: SledTarget, wait: Wait) => Promise<SledReport>;
  /** Undefined if the sled says that its list is still the one with this tag. */
  readonly listUnless: (sled: SledTarget, tag: string, wait: Wait) => Promise<SledReport | undefined>;
  /** Resolves when the sled has stored the artifact; the deadline is on progress, not on the whole (B13). */
  readonly put: (
    sled: SledTarget,
    artifact: {
      readonly sha256: ArtifactHash;
      readonly generation: Generation;
      /** Undefined for a sled agent that does not compare points. */
      readonly digest: string | undefined;
      readonly sizeBytes: number;
      readonly chunks: AsyncIterable<Uint8Array>;
    },
    wait: Wait,
  ) => Promise<PutResult>;
  /**
   * The prefix digests of an artifact of its config, for transfers that begin later. `NOT_FOUND` from a version that passes on
   * nothing before it is whole.
   */
  readonly tellPrefixes: (
    sled: SledTarget,
    artifact: SizedPrefixes & { readonly sha256: ArtifactHash },
    wait: Wait,
  ) => Promise<void>;
  /** Resolves when the sled has begun to copy; {@link copyOutcome} and later lists say how it ends (B7). */
  readonly copy: (
    sled: SledTarget,
    artifact: {
      readonly sha256: ArtifactHash;
      readonly generation: Generation;
      readonly digest: string | undefined;
      readonly source: SledTarget;
      /** The source may still be receiving it. Only for a sled that has taken prefix digests: another one ignores this. */
      readonly isArriving?: boolean;
    },
    wait: Wait,
  ) => Promise<void>;
  /**
   * How the last copy of the artifact ended there; waits for at most `waitMs` while one is in flight. `NOT_FOUND` from a sled
   * agent that only lists it.
   */
  readonly copyOutcome: (
    sled: SledTarget,
    artifact: { readonly sha256: ArtifactHash; readonly waitMs: number },
    wait: Wait,
  ) => Promise<CopyOutcome>;
  /** A bundle that the config in force names. `NOT_FOUND` from a version that keeps none. */
  readonly putBundle: (
    sled: SledTarget,
    bundle: { readonly sha256: string; readonly bytes: Uint8Array },
    wait: Wait,
  ) => Promise<void>;
  /** Chains of trust roots, each with the oldest root first. `NOT_FOUND` from a version that pins none. */
  readonly tellRoots: (
    sled: SledTarget,
    chains: readonly (readonly Uint8Array[])[],
    wait: Wait,
  ) => Promise<void>;
  /** Those that it has pinned, likewise. `NOT_FOUND` from a version that pins none. */
  readonly roots: (sled: SledTarget, wait: Wait) => Promise<readonly (readonly Uint8Array[])[]>;
  /** Tells the sled whose certificates do not count. */
  readonly revoke: (sled: SledTarget, revocations: readonly Revocation[], wait: Wait) => Promise<void>;
  /** Statements of admin keys; resolves with those that do not count there. `NOT_FOUND` from a version that keeps none. */
  readonly tellStatements: (
    sled: SledTarget,
    statements: readonly SignedStatement[],
    wait: Wait,
  ) => Promise<readonly StatementRefusal[]>;
  /** The heads of the audit log that the sled keeps. `NOT_FOUND` from a version that keeps none. */
  readonly auditHeads: (sled: SledTarget, wait: Wait) => Promise<readonly KeptHead[]>;
  /** @param heads of one chain, with the newest one (AH1) */
  readonly tellAuditHeads: (sled: SledTarget, heads: readonly AuditHead[], wait: Wait) => Promise<void>;
  /**
   * Bytes of a stored artifact, from the sled's Repo Depot (P9). `PEER_RANGE_IGNORED` from one that knows no ranges, beyond
   * {@link MAX_SKIPPED_BYTES}.
   */
  readonly readRange: (
    sled: SledTarget,
    range: { readonly sha256: ArtifactHash; readonly offset: number; readonly length: number },
    wait: Wait,
  ) => Promise<Uint8Array>;
};
