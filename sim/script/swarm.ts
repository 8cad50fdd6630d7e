/**
 * The kind of run that a seed gives: the size of the fleet, the kinds of faults, and the rate of each.
 *
 * SW1. A draw decides for each kind of fault whether it occurs, and then how often: a run with a few kinds of faults reaches
 *      states that one with all of them at once never does.
 */
import type { DeletionRules } from '../../src/core/deletion.ts';
import type { Rng } from '../../src/core/rng.ts';
import { CERTIFICATE_LIFE_MS } from '../../src/identity/authority-files.ts';
import type { Metadata } from '../fleet/releases.ts';
import { chance, spread } from '../time/streams.ts';
import { DECISIONS, FAULTS, HOSTILITIES, IDENTITY_ACTS, OPERATIONS, type StepKind } from './step.ts';

export type Swarm = {
  readonly nexuses: number;
  /** Datasets of each sled. */
  readonly sleds: readonly number[];
  readonly minSledReplication: number;
  readonly quotaBytes: number;
  readonly scrubPeriodMs: number;
  readonly deletion: DeletionRules;
  /** Of the phase with faults. */
  readonly durationMs: number;
  /** Mean time between two steps of a kind; only the kinds that this run has. */
  readonly everyMs: ReadonlyMap<StepKind, number>;
  readonly lossProbability: number;
  readonly duplicateProbability: number;
  readonly flipProbability: number;
  readonly mostDelayMs: number;
  readonly conflictProbability: number;
  readonly lostProbability: number;
  readonly uncertainProbability: number;
  readonly databaseMostMs: number;
  readonly diskMostMs: number;
  readonly diskTailProbability: number;
  readonly diskErrorProbability: number;
  /** Of a sled agent that does not compare points (P13). */
  readonly olderAgentProbability: number;
  /** Until then the Nexuses send no lineage; 0 if they send it from the beginning. */
  readonly olderNexusUntilMs: number;
  /** Why metadata is refused that was valid when it was accepted: see releases.ts. */
  readonly metadata: Metadata;
  /** Whether the pruner deletes releases by itself. */
  readonly prunes: boolean;
  /** Of every certificate. */
  readonly certificateLifeMs: number;
  /** Whether there are hostile callers. */
  readonly isHostile: boolean;
  /** Whether machines pin an admin key when they join, and operators sign with it. */
  readonly hasAdminKey: boolean;
  /** Whether a sled may store and serve only what a signed release lists. */
  readonly requiresSigned: boolean;
  /** Whether the fleet at rest is watched for a while: that doubles the time of the run. */
  readonly staysQuiet: boolean;
  /** How many sleds stay broken after the end of the faults. */
  readonly brokenForEver: number;
};

export type FleetSize = 'small' | 'any';

const MINUTE_MS = 60_000;

/** Of a dataset that is never short of it. */
export const ROOMY_QUOTA_BYTES = 2 ** 24;

export const drawSwarm = (rng: Rng, size: FleetSize): Swarm => {
  // A run of a large fleet takes as long as thirty others.
  const isLarge = size === 'any' && chance(rng, 0.004);
  const sledCount = isLarge ? 8 + rng.below(33) : 1 + Math.min(rng.below(5), rng.below(6));
  const often = (least: number, most: number, share: number) =>
    chance(rng, share) ? spread(rng, least, most) : 0;
  const minSledReplication = Math.min(1 + rng.below(3), sledCount + (chance(rng, 0.05) ? 1 : 0));
  const durationMs = spread(rng, 0.4, isLarge ? 2 : 3) * MINUTE_MS;
  const everyMs = new Map<StepKind, number>();
  for (const act of OPERATIONS) {
    const share = act === 'upload' ? 1 : act === 'delete' ? 0.8 : 0.25;
    if (chance(rng, share)) everyMs.set(act, durationMs / spread(rng, 1, act === 'upload' ? 8 : 4));
  }
  for (const fault of FAULTS)
    if (chance(rng, 0.22)) everyMs.set(fault, durationMs / spread(rng, 0.7, isLarge ? 10 : 6));
  const swarm: Omit<Swarm, 'certificateLifeMs' | 'isHostile' | 'hasAdminKey' | 'requiresSigned'> = {
    nexuses: chance(rng, 0.5) ? 1 : 2 + (isLarge ? rng.below(4) : rng.below(2)),
    sleds: Array.from({ length: sledCount }, () => 1 + Math.min(rng.below(3), rng.below(3))),
    minSledReplication,
    // Without flipped bits a scrub finds nothing and only costs time.
    scrubPeriodMs:
      everyMs.has('flip a bit') || everyMs.has('cut a file short') ? 2 * MINUTE_MS : 24 * 60 * MINUTE_MS,
    // One archive has up to 14 kB, and is refused if it does not fit.
    quotaBytes: chance(rng, 0.1) ? 15_000 + rng.below(10_000) : ROOMY_QUOTA_BYTES,
    durationMs,
    everyMs,
    lossProbability: often(0.001, 0.1, 0.3),
    duplicateProbability: often(0.001, 0.2, 0.3),
    flipProbability: often(0.001, 0.05, 0.15),
    mostDelayMs: spread(rng, 5, chance(rng, 0.2) ? 5_000 : 100),
    conflictProbability: often(0.01, 0.3, 0.3),
    lostProbability: often(0.001, 0.05, 0.2),
    uncertainProbability: often(0.01, 0.3, 0.4),
    databaseMostMs: spread(rng, 2, chance(rng, 0.1) ? 3_000 : 100),
    diskMostMs: spread(rng, 1, chance(rng, 0.2) ? 2_000 : 50),
    diskErrorProbability: often(0.0005, 0.01, 0.1),
    staysQuiet: chance(rng, 0.2),
    brokenForEver: chance(rng, 0.25) ? rng.below(Math.max(1, sledCount - minSledReplication + 1)) : 0,
    diskTailProbability: often(0.001, 0.1, 0.2),
    olderAgentProbability: chance(rng, 0.2) ? spread(rng, 0.1, 1) : 0,
    olderNexusUntilMs: chance(rng, 0.07) ? durationMs * rng.next() : 0,
    metadata: {
      isRollbackRefused: chance(rng, 0.5),
      expiresAfterMs: chance(rng, 0.15) ? durationMs * rng.next() : Number.MAX_SAFE_INTEGER,
    },
    prunes: chance(rng, 0.1),
    deletion: drawDeletion(rng),
  };
  const certificateLifeMs = chance(rng, 0.15) ? spread(rng, 1, 10) * MINUTE_MS : CERTIFICATE_LIFE_MS;
  for (const act of IDENTITY_ACTS) if (chance(rng, 0.12)) everyMs.set(act, durationMs / spread(rng, 0.7, 4));
  const isHostile = chance(rng, 0.12);
  if (isHostile)
    for (const act of HOSTILITIES) if (chance(rng, 0.6)) everyMs.set(act, durationMs / spread(rng, 0.8, 3));
  const fleet = isHostile ? { ...swarm, ...drawHostile(rng, swarm) } : swarm;
  // Without the key the word of a Nexus exempts a release from signatures.
  const hasAdminKey = chance(rng, 0.5) || isHostile;
  for (const act of hasAdminKey ? DECISIONS : []) {
    // A hostile Nexus plants what is like that for which a person signed.
    const share = act !== 'allow deletions' ? (isHostile ? 0.7 : 0.3) : fleet.deletion.waitMs > 0 ? 0.6 : 0;
    if (chance(rng, share)) everyMs.set(act, durationMs / spread(rng, 0.8, 4));
  }
  return { ...fleet, certificateLifeMs, isHostile, hasAdminKey, requiresSigned: REQUIRES_SIGNED };
};

/** Every sled pins the trust root when it joins (T3). */
const REQUIRES_SIGNED = true;

/** What keeps a fleet from a hostile Nexus: deletions that wait, and sleds that compare points. */
const drawHostile = (
  rng: Rng,
  { deletion, nexuses }: Pick<Swarm, 'deletion' | 'nexuses'>,
): Pick<Swarm, 'deletion' | 'nexuses' | 'olderAgentProbability' | 'olderNexusUntilMs'> => {
  const waitMs = Math.max(deletion.waitMs, spread(rng, 20_000, 3 * MINUTE_MS));
  const limitWaitMs = Math.max(deletion.limitWaitMs, waitMs + spread(rng, MINUTE_MS, 8 * MINUTE_MS));
  return {
    // The sleds know both from the beginning.
    nexuses: Math.max(2, nexuses),
    deletion: { waitMs, limitPercent: 50, limitWaitMs },
    olderAgentProbability: 0,
    olderNexusUntilMs: 0,
  };
};

/** In most runs deletions do not wait: then a mistake in them is seen at once. */
const drawDeletion = (rng: Rng): DeletionRules => {
  if (!chance(rng, 0.4)) return { waitMs: 0, limitPercent: 100, limitWaitMs: 0 };
  const waitMs = spread(rng, 2_000, 3 * MINUTE_MS);
  return {
    waitMs,
    limitPercent: chance(rng, 0.5) ? 50 : 100,
    limitWaitMs: waitMs + spread(rng, 10_000, 8 * MINUTE_MS),
  };
};
