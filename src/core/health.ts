/**
 * Health: one verdict and a typed reason for everything that is not as it should be, folded from one observation.
 *
 * HE1. Whatever a sled lacks is explained by a reason (S12): the plan says why it is not requested, the sleds why
 *      they do not answer.
 * HE2. Reasons are grouped (by sled, by release), so that their number follows the fleet's faults, not its artifacts.
 * HE3. A release is `failed` only when every in-service sled answers, none holds some artifact, and no Nexus that
 *      is still in service has the archive; while an unreachable sled might have the bytes it is blocked (P8).
 */
import type { Blocked } from './facts/blocked.ts';
import type { ReleaseState } from './facts/event.ts';
import { type HealthReason, type ReasonCode, Verdict } from './facts/reason.ts';
import type { ArtifactHash, SledId } from './ids.ts';
import { type InventorySled, isListing, type SledSilence, type Wanted } from './inventory.ts';
import type { ReleaseProgress } from './progress.ts';

/** Stable codes, with the verdict that each one means at least. `docs/operations.md` explains them. */
export const reasonCodes = {
  NOT_YET_LOOKED: 'converging',
  NEXUS_STARTING: 'converging',
  UPLOAD_WAITING: 'converging',
  DATABASE_UNAVAILABLE: 'degraded',
  REPLICATION_ERROR: 'degraded',
  REPLICATION_PAUSED: 'degraded',
  RELEASE_REPLICATING: 'converging',
  RELEASE_BLOCKED: 'degraded',
  RELEASE_FAILED: 'failed',
  RELEASE_WITHHELD: 'degraded',
  SLED_STORES_UNSIGNED: 'ok',
  TOO_FEW_SLEDS: 'degraded',
  SLED_UNREACHABLE: 'degraded',
  SLED_BAD_ANSWER: 'degraded',
  SLED_OTHER_IDENTITY: 'degraded',
  SLED_REFUSES: 'degraded',
  SLED_AHEAD: 'converging',
  SLED_NEEDS_STATEMENT: 'degraded',
  SLED_DIVERGED: 'degraded',
  SLED_KEEPS_POINTS: 'degraded',
  SLED_BYTES_DIFFER: 'degraded',
  SLED_WRITES_PAUSED: 'degraded',
  DATASET_FAULT: 'degraded',
  TRANSFER_FAILED: 'degraded',
  DELETION_DEFERRED: 'ok',
  DELETION_WAITING: 'ok',
  DELETION_LIMITED: 'degraded',
  COPY_QUARANTINED: 'degraded',
  COPY_REPLACED: 'ok',
  SLED_PENDING: 'degraded',
  NEXUS_SILENT: 'degraded',
  NEXUS_EXPUNGED: 'degraded',
  ARCHIVE_RECORDED_AGAIN: 'degraded',
  ARCHIVE_NOT_SERVED: 'degraded',
  ARCHIVE_KEPT: 'degraded',
  SOURCE_REFUSED: 'degraded',
  SOURCE_FAILED: 'degraded',
  NO_TRUST_ROOT: 'degraded',
  METADATA_EXPIRING: 'ok',
  METADATA_EXPIRED: 'ok',
  ROOT_EXPIRING: 'ok',
  ROOT_EXPIRES_SOON: 'degraded',
  ROOT_EXPIRED: 'degraded',
  DATABASE_MAY_LOSE_COMMITS: 'degraded',
  DATABASE_PLAIN_TEXT: 'ok',
  CERTIFICATE_EXPIRING: 'ok',
  CERTIFICATE_EXPIRES_SOON: 'degraded',
  CERTIFICATE_EXPIRED: 'degraded',
  OPERATOR_TOKENS_STALE: 'degraded',
  AUDIT_LOG_CONTRADICTED: 'degraded',
  SLEDS_PLAIN: 'ok',
  PLAIN_LISTEN: 'ok',
  DEBUG_LISTEN: 'ok',
} as const satisfies Record<ReasonCode, Verdict>;

/**
 * Archives in the database, by the hashes in them: whose they are. `here`: of the Nexus that asks, which has not begun to
 * serve it; the commit of its upload was in doubt a moment ago.
 */
export type ElsewhereHeld = ReadonlyMap<ArtifactHash, 'here' | 'alive' | 'silent'>;

const SEVERITY = Verdict.options;

export const worst = (reasons: readonly HealthReason[]): Verdict =>
  reasons.reduce<Verdict>((verdict, { code }) => {
    const its = reasonCodes[code];
    return SEVERITY.indexOf(its) > SEVERITY.indexOf(verdict) ? its : verdict;
  }, 'ok');

/** Where a release stands, and what holds it up. */
export const releaseState = (
  progress: ReleaseProgress,
  artifacts: ReadonlySet<ArtifactHash>,
  blocked: readonly Blocked[],
  elsewhere: ElsewhereHeld,
): { readonly state: ReleaseState; readonly reasons: readonly HealthReason[] } => {
  const { systemVersion } = progress;
  if (progress.complete) return { state: 'complete', reasons: [] };
  const isWithheld = blocked.some(b => b.code === 'ARTIFACT_WITHHELD' && artifacts.has(b.sha256));
  const lost = blocked.filter(b => isWithoutCopy(b) && artifacts.has(b.sha256));
  const gone = lost.filter(b => b.code === 'NO_KNOWN_COPY' && !elsewhere.has(b.sha256));
  const [firstGone] = gone;
  if (firstGone !== undefined) {
    const { sha256 } = firstGone;
    return {
      state: 'failed',
      reasons: [{ code: 'RELEASE_FAILED', systemVersion, sha256, artifacts: gone.length }],
    };
  }
  const [firstLost] = lost;
  if (firstLost !== undefined) {
    const { sha256 } = firstLost;
    const holder = whoMayHaveIt(lost, elsewhere);
    return {
      state: 'blocked',
      reasons: [{ code: 'RELEASE_BLOCKED', systemVersion, sha256, artifacts: lost.length, holder }],
    };
  }
  const state = progress.safe ? 'safe' : isWithheld ? 'blocked' : 'replicating';
  return { state, reasons: [replicating(progress)] };
};

/** Of the artifact, and not of one sled that has to wait. */
const isWithoutCopy = ({ code }: Blocked): boolean =>
  code === 'NO_KNOWN_COPY' || code === 'NO_KNOWN_COPY_SLEDS_SILENT';

const replicating = (progress: ReleaseProgress): HealthReason => ({
  code: 'RELEASE_REPLICATING',
  systemVersion: progress.systemVersion,
  copiesHeld: progress.copiesHeld,
  copiesWanted: progress.copiesWanted,
  sleds: progress.sleds.length,
  sledsHoldingAll: progress.sledsHoldingAll,
  sledsHoldingAllFully: progress.sleds.filter(
    sled => sled.answered && sled.artifactsHeldFully === sled.artifactsWanted,
  ).length,
});

const HOLDERS = { here: 'this_nexus', alive: 'another_nexus', silent: 'silent_nexus' } as const;

const whoMayHaveIt = (
  lost: readonly Blocked[],
  elsewhere: ElsewhereHeld,
): HealthReason<'RELEASE_BLOCKED'>['holder'] => {
  const nexus = lost.map(b => elsewhere.get(b.sha256)).find(state => state !== undefined);
  return nexus === undefined ? 'unreachable_sleds' : HOLDERS[nexus];
};

const SILENCE_CODES = {
  unreachable: 'SLED_UNREACHABLE',
  bad_answer: 'SLED_BAD_ANSWER',
  other_identity: 'SLED_OTHER_IDENTITY',
  refused: 'SLED_REFUSES',
} as const;

/** What is wrong with the sleds themselves, and with the transfers to them. */
export const sledReasons = (
  sleds: readonly InventorySled[],
  blocked: readonly Blocked[],
  nowMs: number,
): HealthReason[] => {
  const reasons: HealthReason[] = [];
  const failed = failuresBySled(blocked);
  for (const sled of sleds) {
    const { id: sledId, serial, answer } = sled;
    if (!isListing(answer)) {
      reasons.push(silenceReason({ sledId, serial }, answer));
      continue;
    }
    if (sled.writesPausedUntilMs !== undefined && sled.writesPausedUntilMs > nowMs) {
      const error = sled.writesPausedBecause ?? 'it is busy';
      reasons.push({ code: 'SLED_WRITES_PAUSED', sledId, serial, error });
    }
    const failures = failed.get(sledId) ?? [];
    const [first] = failures;
    if (first !== undefined) {
      const { code, sha256, error, sources } = failures.find(each => each.sources !== undefined) ?? first;
      const transfers = failures.length;
      reasons.push({
        ...{ code, sledId, serial, sha256, transfers, error },
        ...(sources !== undefined && { sources }),
      });
    }
  }
  return reasons;
};

type FailedTransfer = Extract<Blocked, { readonly code: 'TRANSFER_FAILED' }>;

/** A large fleet has many of both. */
const failuresBySled = (blocked: readonly Blocked[]): ReadonlyMap<SledId, readonly FailedTransfer[]> => {
  const bySled = new Map<SledId, FailedTransfer[]>();
  for (const each of blocked) {
    if (each.code !== 'TRANSFER_FAILED') continue;
    const known = bySled.get(each.sledId);
    if (known === undefined) bySled.set(each.sledId, [each]);
    else known.push(each);
  }
  return bySled;
};

const silenceReason = (
  sled: Pick<HealthReason<'SLED_UNREACHABLE'>, 'sledId' | 'serial'>,
  silence: SledSilence,
): HealthReason => {
  const { sinceMs } = silence;
  switch (silence.kind) {
    case 'ahead': {
      const code = silence.needsAcceptance === true ? 'SLED_NEEDS_STATEMENT' : 'SLED_AHEAD';
      return { code, ...sled, sinceMs, claim: silence.claim, error: silence.refusal };
    }
    case 'diverged': {
      const { claim, database, takesConfigs } = silence;
      return { code: 'SLED_DIVERGED', ...sled, sinceMs, claim, database, takesConfigs };
    }
    case 'unreachable':
    case 'bad_answer':
    case 'other_identity':
    case 'refused': {
      const { kind, error, code: errorCode } = silence;
      return { code: SILENCE_CODES[kind], ...sled, sinceMs, error, errorCode };
    }
    default:
      return silence satisfies never;
  }
};

/** The minimum cannot be reached by a fleet that is smaller than it (S7): said, never lowered. */
export const fleetReasons = (
  wanted: Wanted,
  sleds: readonly InventorySled[],
  minSledReplication: number,
): HealthReason[] => {
  const reasons: HealthReason[] = [];
  if (wanted.releases.length > 0 && sleds.length < minSledReplication)
    reasons.push({ code: 'TOO_FEW_SLEDS', sledsInService: sleds.length, minSledReplication });
  const plain = sleds.filter(({ isPlain }) => isPlain === true);
  const [first] = plain;
  if (first !== undefined)
    reasons.push({ code: 'SLEDS_PLAIN', sleds: plain.length, exampleSerial: first.serial });
  return reasons;
};
