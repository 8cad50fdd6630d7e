/**
 * Handlers of the operator's API for recoveries.
 *
 *     sleds asked now ─▶ a later read of the database (P7) ─▶ plan ─▶ shown
 *                                                              └────▶ refused, or the generation is raised
 *
 * RH1. Acting asks and plans anew: what an operator saw may no longer be so, and then nothing is changed.
 * RH2. Acting twice is acting once: after the first time nothing is diverged, and the answer says so.
 */
import {
  type GenerationRecovery,
  MAX_LISTED_ARTIFACTS,
  type operatorRecoveryApi,
} from '../api/operator-recovery-api.ts';
import { type Generation, SledId } from '../core/ids.ts';
import {
  divergedHashes,
  type HeldArtifact,
  planRecovery,
  type RecoveryObstacle,
  type RecoveryPlan,
  recoveryObstacles,
} from '../core/recovery.ts';
import type { Handlers } from '../http/handlers.ts';
import type { Clock } from '../lib/clock.ts';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Datastore } from './datastore/datastore.ts';
import { inServiceSleds } from './fleet-client/in-service.ts';
import type { SledConnection } from './fleet-client/sled-connection.ts';
import type { Note } from './history/history.ts';
import { askSleds } from './recovery/ask-sleds.ts';

type Deps = {
  readonly datastore: Pick<
    Datastore,
    'sledList' | 'currentGeneration' | 'artifactsKnown' | 'generationRaise'
  >;
  readonly connection: Pick<SledConnection, 'list'>;
  readonly clock: Clock;
  readonly note: Note;
  readonly activateReplication: () => void;
};

type Question = { readonly excluded: readonly SledId[]; readonly to?: Generation };
type Wait = { readonly log: Logger; readonly signal: AbortSignal };

export const createOperatorRecoveryApi = (deps: Deps): Handlers<typeof operatorRecoveryApi> => ({
  async generationRecoveryView({ query, ...wait }) {
    const ids = query.exclude_sleds?.split(',') ?? [];
    const plan = await makePlan(deps, { excluded: ids.map(id => SledId.parse(id)) }, wait);
    return recoveryView(plan, recoveryObstacles(plan, { letsGoOfUnknown: false }));
  },

  async generationRecover({ body, ...wait }) {
    const plan = await makePlan(deps, { excluded: body.exclude_sleds ?? [], to: body.to }, wait);
    if (plan.outcome.kind === 'not_needed') return recoveryView(plan, []);
    const to = requireUnchanged(plan, body.expected_generation);
    const letsGoOfUnknown = body.confirm_unknown_artifacts === true;
    const [obstacle] = recoveryObstacles(plan, { letsGoOfUnknown });
    if (obstacle !== undefined)
      throw new DepotError(obstacle.code, obstacle.message, {
        detail: { generation: plan.generation, unknown_artifacts: plan.unknown.length },
      });
    await raise(deps.datastore, to!, wait);
    const { outcome: _, sleds, unknown, deleted, ...facts } = plan;
    wait.log.warn(
      { ...facts, to, excluded: body.exclude_sleds, unknown: unknown.length, deleted: deleted.length, sleds },
      'generation recovered by an operator',
    );
    const message = `raised by an operator from ${plan.generation}; ${unknown.length} unknown artifacts were let go of`;
    deps.note({ kind: 'generation_recovered', generation: to!, message });
    deps.activateReplication();
    return { ...recoveryView(plan, []), state: 'done' };
  },
});

/** @throws `NOT_FOUND` for an excluded sled that is not in service */
const makePlan = async (
  { datastore, connection, clock }: Deps,
  { excluded, to }: Question,
  { log, signal }: Wait,
): Promise<RecoveryPlan> => {
  const targets = await inServiceSleds(datastore, signal);
  const stranger = excluded.find(id => !targets.some(target => target.id === id));
  if (stranger !== undefined) throw new DepotError('NOT_FOUND', `there is no sled ${stranger} in service`);
  const sleds = await askSleds({ connection, clock }, targets, { log, signal });
  const database = await datastore.currentGeneration({ signal }); // after every answer: P7
  const known = await datastore.artifactsKnown(divergedHashes({ database, sleds }), { signal });
  return planRecovery({ database, sleds, excluded: new Set(excluded), known, to });
};

/** The generation to go to; undefined where there is none, which is an obstacle of the plan. */
const requireUnchanged = (
  { generation, outcome }: RecoveryPlan,
  expected: Generation,
): Generation | undefined => {
  if (generation !== expected) {
    throw new DepotError(
      'RECOVERY_CHANGED',
      `the generation is ${generation} by now, and not ${expected} as it was when this was planned`,
      { detail: { generation, expected } },
    );
  }
  if (outcome.kind === 'refused') {
    throw new DepotError(
      'RECOVERY_CHANGED',
      `the new generation has to be from ${outcome.lowest} to ${outcome.highest} by what the sleds claim now`,
      { detail: { generation, lowest: outcome.lowest, highest: outcome.highest } },
    );
  }
  return outcome.kind === 'raise' ? outcome.to : undefined;
};

const raise = async (
  datastore: Deps['datastore'],
  to: Generation,
  { signal }: { signal: AbortSignal },
): Promise<void> => {
  try {
    await datastore.generationRaise(to, { signal });
  } catch (error) {
    if (errorCodeOf(error) !== 'INVALID_REQUEST') throw error;
    throw new DepotError('RECOVERY_CHANGED', 'somebody else has raised the generation', { cause: error });
  }
};

const recoveryView = (
  { generation, outcome, sleds, unknown, deleted }: RecoveryPlan,
  obstacles: readonly RecoveryObstacle[],
): GenerationRecovery => ({
  state: outcome.kind === 'not_needed' ? 'not_needed' : obstacles.length === 0 ? 'needed' : 'blocked',
  generation,
  to: outcome.kind === 'raise' ? outcome.to : null,
  sleds: sleds.map(sled => ({
    sled_id: sled.id,
    serial: sled.serial,
    state: sled.fate,
    excluded: sled.isExcluded,
    generation: sled.generation ?? null,
    unknown_artifacts: sled.unknownArtifacts,
    message: sled.because,
  })),
  unknown_artifacts_total: unknown.length,
  unknown_artifacts: heldView(unknown),
  deleted_artifacts_total: deleted.length,
  deleted_artifacts: heldView(deleted),
  obstacles: [...obstacles],
});

const heldView = (held: readonly HeldArtifact[]) =>
  held.slice(0, MAX_LISTED_ARTIFACTS).map(({ sha256, sleds }) => ({ sha256, sleds: [...sleds] }));
