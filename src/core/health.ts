/**
 * Health: one verdict and a plain reason for everything that is not as it should be, folded from one observation.
 *
 * HE1. Whatever a sled lacks is explained by a reason (S12): the plan says why it is not requested, the sleds why
 *      they do not answer.
 * HE2. Reasons are grouped (by sled, by release), so that their number follows the fleet's faults, not its artifacts.
 * HE3. A release is `failed` only when every in-service sled answers, none holds some artifact, and no Nexus that
 *      is still in service has the archive; while an unreachable sled might have the bytes it is blocked (P8).
 */
import type { ArtifactHash, SledId } from './ids.ts';
import { type InventorySled, isListing, type SledSilence, type Wanted } from './inventory.ts';
import type { Blocked } from './plan/plan-artifact.ts';
import type { ReleaseProgress } from './progress.ts';

export const VERDICTS = ['ok', 'converging', 'degraded', 'failed'] as const;
export type Verdict = (typeof VERDICTS)[number];

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
  TOO_FEW_SLEDS: 'degraded',
  SLED_UNREACHABLE: 'degraded',
  SLED_BAD_ANSWER: 'degraded',
  SLED_REFUSES: 'degraded',
  SLED_AHEAD: 'converging',
  SLED_DIVERGED: 'degraded',
  SLED_KEEPS_POINTS: 'degraded',
  SLED_BYTES_DIFFER: 'degraded',
  SLED_WRITES_PAUSED: 'degraded',
  DATASET_FAULT: 'degraded',
  TRANSFER_FAILED: 'degraded',
  DELETION_DEFERRED: 'ok',
  COPY_QUARANTINED: 'degraded',
  COPY_REPLACED: 'ok',
  NEXUS_SILENT: 'degraded',
  NEXUS_EXPUNGED: 'degraded',
  ARCHIVE_RECORDED_AGAIN: 'degraded',
  ARCHIVE_NOT_SERVED: 'degraded',
  SOURCE_REFUSED: 'degraded',
  SOURCE_FAILED: 'degraded',
  METADATA_EXPIRING: 'ok',
  METADATA_EXPIRED: 'ok',
  ROOT_EXPIRING: 'ok',
  ROOT_EXPIRES_SOON: 'degraded',
  ROOT_EXPIRED: 'degraded',
  DATABASE_MAY_LOSE_COMMITS: 'degraded',
  DATABASE_PLAIN_TEXT: 'ok',
  INSECURE_LISTEN: 'ok',
} as const satisfies Record<string, Verdict>;
export type ReasonCode = keyof typeof reasonCodes;

export type HealthReason = {
  readonly code: ReasonCode;
  readonly message: string;
  readonly sledId?: SledId | undefined;
  readonly sha256?: ArtifactHash | undefined;
  readonly systemVersion?: string | undefined;
  readonly sinceMs?: number | undefined;
};

export type ReleaseState = 'replicating' | 'safe' | 'complete' | 'blocked' | 'failed';

/**
 * Archives in the database, by the hashes in them: whose they are. `here`: of the Nexus that asks, which has not begun to
 * serve it; the commit of its upload was in doubt a moment ago.
 */
export type ElsewhereHeld = ReadonlyMap<ArtifactHash, 'here' | 'alive' | 'silent'>;

export const worst = (reasons: readonly HealthReason[]): Verdict =>
  reasons.reduce<Verdict>((verdict, { code }) => {
    const its = reasonCodes[code];
    return VERDICTS.indexOf(its) > VERDICTS.indexOf(verdict) ? its : verdict;
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
  const lost = blocked.filter(b => b.sledId === undefined && artifacts.has(b.sha256));
  const gone = lost.filter(b => b.code === 'NO_KNOWN_COPY' && !elsewhere.has(b.sha256));
  const first = gone[0] ?? lost[0];
  if (gone.length > 0) {
    const message = `release ${systemVersion}: ${gone.length} artifact(s) have no copy on any sled or in any Nexus; upload the same archive again`;
    return {
      state: 'failed',
      reasons: [{ code: 'RELEASE_FAILED', message, systemVersion, sha256: first?.sha256 }],
    };
  }
  if (lost.length > 0) {
    const message = `release ${systemVersion}: ${lost.length} artifact(s) have no reachable copy: ${whoMayHaveIt(lost, elsewhere)}`;
    return {
      state: 'blocked',
      reasons: [{ code: 'RELEASE_BLOCKED', message, systemVersion, sha256: first?.sha256 }],
    };
  }
  const message = `release ${systemVersion}: ${progress.copiesHeld} of ${progress.copiesWanted} copies are held, ${progress.sledsHoldingAll} of ${progress.sleds.length} sleds hold all of it${onFewerDatasets(progress)}`;
  const state = progress.safe ? 'safe' : 'replicating';
  return { state, reasons: [{ code: 'RELEASE_REPLICATING', message, systemVersion }] };
};

/** What keeps a release from complete although every sled holds it. */
const onFewerDatasets = ({ sleds, sledsHoldingAll }: ReleaseProgress): string => {
  const onEvery = sleds.filter(sled => sled.answered && sled.artifactsHeldFully === sled.artifactsWanted);
  return onEvery.length < sledsHoldingAll ? `, ${onEvery.length} of these on every dataset` : '';
};

const whoMayHaveIt = (lost: readonly Blocked[], elsewhere: ElsewhereHeld): string => {
  const nexus = lost.map(b => elsewhere.get(b.sha256)).find(state => state !== undefined);
  if (nexus === 'here') return 'this Nexus holds the archive, and sends it from its next round on';
  if (nexus === 'alive') return 'another Nexus holds the archive and sends it';
  if (nexus === 'silent')
    return 'a Nexus that sends no heartbeats holds the archive; start it, or upload the archive again';
  return 'unreachable sleds might have them; bring those back, or upload the archive again';
};

const SILENCE_CODES = {
  unreachable: 'SLED_UNREACHABLE',
  bad_answer: 'SLED_BAD_ANSWER',
  refused: 'SLED_REFUSES',
  ahead: 'SLED_AHEAD',
  diverged: 'SLED_DIVERGED',
} as const satisfies Record<SledSilence['kind'], ReasonCode>;

/** What is wrong with the sleds themselves, and with the transfers to them. */
export const sledReasons = (
  sleds: readonly InventorySled[],
  blocked: readonly Blocked[],
  nowMs: number,
): HealthReason[] => {
  const reasons: HealthReason[] = [];
  for (const sled of sleds) {
    const name = `sled ${sled.serial}`;
    const { answer } = sled;
    if (!isListing(answer)) {
      const { kind, message, sinceMs } = answer;
      reasons.push({ code: SILENCE_CODES[kind], message: `${name}: ${message}`, sledId: sled.id, sinceMs });
      continue;
    }
    if (sled.writesPausedUntilMs !== undefined && sled.writesPausedUntilMs > nowMs) {
      const message = `${name} takes no writes for now: ${sled.writesPausedBecause}`;
      reasons.push({ code: 'SLED_WRITES_PAUSED', message, sledId: sled.id });
    }
    const failures = blocked.filter(b => b.code === 'TRANSFER_FAILED' && b.sledId === sled.id);
    const [first] = failures;
    if (first !== undefined) {
      const message = `${name}: ${failures.length} transfer(s) failed and wait for the next attempt, one because ${first.message}`;
      reasons.push({ code: 'TRANSFER_FAILED', message, sledId: sled.id, sha256: first.sha256 });
    }
  }
  return reasons;
};

/** The minimum cannot be reached by a fleet that is smaller than it (S7): said, never lowered. */
export const fleetReasons = (
  wanted: Wanted,
  sleds: readonly InventorySled[],
  minSledReplication: number,
): HealthReason[] =>
  wanted.releases.length > 0 && sleds.length < minSledReplication
    ? [
        {
          code: 'TOO_FEW_SLEDS',
          message: `${sleds.length} sled(s) are in service, min_sled_replication is ${minSledReplication}: no release can become safe`,
        },
      ]
    : [];
