/**
 * Handlers of the operator's API for recoveries.
 *
 *     sleds asked now ─▶ a later read of the database (P7) ─▶ sets of unknown points ─▶ plan ─▶ shown
 *                                                                                       └────▶ refused, or acted upon
 *
 * RH1. Acting asks and plans anew: the operator's plan may be stale, and then nothing is changed.
 * RH2. Acting is idempotent: after the first time no point is unknown, and the answer says so.
 * RH3. The entry of the audit log has the heads of it that sleds keep and the database lost (T6a): so `audit verify` explains
 *      them. A sled that does not tell its own delays nothing. Acting writes that entry also where heads alone are lost.
 * RH4. Acting ends every unused invitation (JD4), and says how many.
 */
import {
  type GenerationRecovery,
  MAX_LISTED_ARTIFACTS,
  type operatorRecoveryApi,
  type RecoverGeneration,
} from '../../api/operator-recovery-api.ts';
import type { AuditHead } from '../../core/audit-chain.ts';
import { MAX_AUDITED_NAMES } from '../../core/facts/audit.ts';
import { toDetails } from '../../core/facts/details.ts';
import { type RecoveryObstacle, renderFinding, renderObstacle } from '../../core/facts/recovery.ts';
import {
  type ArtifactHash,
  asGeneration,
  type Generation,
  type Point,
  pointText,
  type SledId,
  type SystemVersion,
} from '../../core/ids.ts';
import { samePoint } from '../../core/lineage.ts';
import type { PendingSleds } from '../../core/pending-sleds.ts';
import {
  acceptedOf,
  planRecovery,
  type RecoveryPlan,
  recoveryObstacles,
  unknownPoints,
} from '../../core/recovery.ts';
import type { Handlers } from '../../http/handlers.ts';
import type { Clock } from '../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { requireEntry } from '../../lib/require-entry.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { Raised, RecoveryDecision, WantedSetPort } from '../datastore/ports/wanted-set-port.ts';
import { allRepoArtifacts } from '../datastore/release-artifacts.ts';
import type { Note } from '../history/history.ts';
import type { OriginOf } from '../operators/audit-origin.ts';
import { askSleds } from '../recovery/ask-sleds.ts';
import { checkReplication, findingText } from '../recovery/check-replication.ts';
import { askAuditHeads, headsLost } from '../sleds/audit-heads.ts';
import { createExplainedHeads } from '../sleds/explained-heads.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import { createLostPointsMemory, readLostPoints } from '../sleds/lost-points.ts';

type Deps = {
  readonly datastore: Pick<SledPort, 'sledList'> &
    Pick<AuditPort, 'auditList'> &
    Pick<WantedSetPort, 'pointsRecorded' | 'generationRaise' | 'wantedSet'> &
    Pick<ReleasePort, 'artifactsKnown' | 'repoGetByVersion' | 'repoArtifacts'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'list' | 'config' | 'auditHeads'>;
  readonly clock: Clock;
  readonly note: Note;
  readonly originOf: OriginOf;
  readonly activateReplication: () => void;
  readonly pendingSleds: Pick<PendingSleds, 'list'>;
};

type Question = {
  readonly excluded: readonly SledId[];
  readonly giveUp?: RecoverGeneration['give_up'];
  readonly to?: Generation;
};
type Wait = { readonly log: Logger; readonly signal: AbortSignal };

export const createOperatorRecoveryApi = (deps: Deps): Handlers<typeof operatorRecoveryApi> => ({
  async generationRecoveryView({ query, ...wait }) {
    const { plan } = await makePlan(deps, { excluded: query.exclude_sleds ?? [] }, wait);
    return { ...recoveryView(plan, recoveryObstacles(plan)), ...pendingIn(deps) };
  },

  async replicationCheck({ signal }) {
    const targets = await inServiceTargets(deps, signal);
    const { generation, sleds } = await checkReplication(deps, targets, { signal });
    return {
      generation,
      sleds: sleds.map(({ sledId, serial, host, finding }) => ({
        ...{ sled_id: sledId, serial, ip: host, state: finding.state },
        ...('generation' in finding && { generation: finding.generation }),
        message: findingText(finding, generation),
      })),
    };
  },

  async generationRecover({ body, requestId, caller, ...wait }) {
    const { exclude_sleds: excluded = [], give_up: giveUp, to: wished } = body;
    const { plan, planned, targets } = await makePlan(deps, { excluded, giveUp, to: wished }, wait);
    const asked = await askAuditHeads(deps, targets, wait);
    const lost = (await headsLost(deps.datastore, asked, wait)).slice(0, MAX_AUDITED_NAMES);
    if (plan.outcome.kind === 'not_needed' && !(await mayExplain(deps.datastore, plan, body, lost, wait)))
      return { ...recoveryView(plan, []), ...pendingIn(deps) };
    const to = requireUnchanged(plan, body.expected_generation);
    const [obstacle] = recoveryObstacles(plan);
    if (obstacle !== undefined) {
      // A sled that another recovery has changed meanwhile no longer reports the set of its previous point.
      await requireStillAt(deps.datastore, planned, wait);
      throw new DepotError(obstacle.code, renderObstacle(obstacle).message, {
        detail: { generation: plan.generation, undecided_artifacts: plan.undecided.length },
      });
    }
    const accepted = acceptedOf(plan.points);
    const orderedBy = `an operator, request ${requestId}`;
    const origin = deps.originOf({ caller, requestId });
    const audit = { origin, ...decidedBy(excluded, giveUp), headsLost: lost };
    const { invitationsEnded } = await raise(
      deps.datastore,
      { to, accepted, orderedBy, planned },
      { ...wait, audit },
    );
    const { outcome: _, sleds, points, undecided: __, ...facts } = plan;
    wait.log.warn(
      {
        ...{ ...facts, to, excluded, give_up: giveUp, points, sleds, audit_heads_lost: lost },
        invitations_ended: invitationsEnded,
      },
      'generation recovered by an operator',
    );
    deps.note({
      kind: 'generation_recovered',
      by: 'operator',
      generation: to,
      previousGeneration: plan.generation,
      pointsAccepted: accepted.length,
    });
    deps.activateReplication();
    return {
      ...recoveryView(plan, []),
      ...{ to, state: 'done', ...pendingIn(deps) },
      ...(invitationsEnded > 0 && { invitations_ended: invitationsEnded }),
    };
  },
});

/** RI4: they may hold points too, of which no plan knows. */
const pendingIn = ({ pendingSleds, clock }: Deps): Pick<GenerationRecovery, 'pending_sleds'> => {
  const pending = pendingSleds.list(clock.nowMs());
  if (pending.length === 0) return {};
  return { pending_sleds: pending.map(({ sledId: id, serial, address }) => ({ id, serial, address })) };
};

/** @throws `NOT_FOUND` for an excluded sled that is not in service, or a release to give up that is not deleted */
const makePlan = async (
  { datastore, connection, clock }: Deps,
  { excluded, giveUp, to }: Question,
  { log, signal }: Wait,
): Promise<{
  readonly plan: RecoveryPlan;
  readonly planned: Point;
  readonly targets: readonly SledTarget[];
}> => {
  const targets = await inServiceTargets({ datastore, connection }, signal);
  const stranger = excluded.find(id => !targets.some(target => target.id === id));
  if (stranger !== undefined) throw new DepotError('NOT_FOUND', `there is no sled ${stranger} in service`);
  const sleds = await askSleds({ connection, clock }, targets, { signal });
  const claims = sleds.flatMap(({ answer }) =>
    answer.kind === 'points' ? [...answer.kept, ...(answer.own === undefined ? [] : [answer.own])] : [],
  );
  const database = await datastore.pointsRecorded(claims, { signal }); // after every answer: P7
  const counted = { database, sleds, excluded: new Set(excluded) };
  const byId = new Map(targets.map(target => [target.id, target]));
  const reports = unknownPoints(counted).flatMap(({ point, sleds: holders }) =>
    holders.map(id => ({
      target: requireEntry(byId, id, 'the sled'),
      claim: { ...point, hasLineage: true },
      isKept: true,
    })),
  );
  const memory = createLostPointsMemory();
  await readLostPoints({ connection, clock, memory }, reports, { log, signal });
  const { sets } = memory;
  const hashes = new Set([...sets.values()].flatMap(set => [...set]));
  const known = await datastore.artifactsKnown(hashes, { signal });
  const givenUp = await givenUpBy(datastore, giveUp, sets, signal);
  const plan = planRecovery({ ...counted, sets, known, givenUp, to });
  return { plan, planned: database.current, targets };
};

/** Every artifact that is named. */
const givenUpBy = async (
  datastore: Deps['datastore'],
  { artifacts = [], points = [], releases = [] }: NonNullable<Question['giveUp']> = {},
  sets: ReadonlyMap<string, ReadonlySet<ArtifactHash>>,
  signal: AbortSignal,
): Promise<ReadonlySet<ArtifactHash>> => {
  const givenUp = new Set(artifacts);
  for (const text of points) for (const hash of sets.get(text) ?? []) givenUp.add(hash);
  for (const version of releases)
    for (const hash of await artifactsOfDeleted(datastore, version, signal)) givenUp.add(hash);
  return givenUp;
};

const artifactsOfDeleted = async (
  datastore: Deps['datastore'],
  version: SystemVersion,
  signal: AbortSignal,
): Promise<ReadonlySet<ArtifactHash>> => {
  const repo = await datastore.repoGetByVersion(version, { includePruned: true, signal });
  if (repo === undefined || repo.timePrunedMs === null)
    throw new DepotError('NOT_FOUND', `there is no deleted release ${version} to give up`);
  return allRepoArtifacts(datastore, repo.id, { signal });
};

/** For the audit. */
const decidedBy = (
  excluded: readonly SledId[],
  { artifacts = [], points = [], releases = [] }: NonNullable<Question['giveUp']> = {},
): RecoveryDecision => {
  const names = [...releases, ...points, ...artifacts];
  return {
    excludedSleds: excluded.slice(0, MAX_AUDITED_NAMES),
    givenUp: names.slice(0, MAX_AUDITED_NAMES),
    givenUpTotal: names.length,
  };
};

/** RH3: of a plan that is not stale, heads that no recovery has named yet. */
const mayExplain = async (
  datastore: Deps['datastore'],
  { generation }: RecoveryPlan,
  { expected_generation: expected }: RecoverGeneration,
  lost: readonly AuditHead[],
  wait: Wait,
): Promise<boolean> => {
  if (lost.length === 0 || generation !== expected) return false;
  const explained = await createExplainedHeads(datastore).read({ seq: Number.MAX_SAFE_INTEGER }, wait);
  return lost.some(({ hash }) => !explained.has(hash));
};

const requireUnchanged = ({ generation, outcome }: RecoveryPlan, expected: Generation): Generation => {
  if (generation !== expected) {
    throw new DepotError(
      'RECOVERY_CHANGED',
      `the generation is now ${generation}, and was ${expected} in the plan`,
      { detail: { generation, expected } },
    );
  }
  if (outcome.kind === 'recover') return outcome.to;
  if (outcome.kind === 'not_needed') return asGeneration(generation + 1);
  const { lowest, highest } = outcome;
  throw new DepotError(
    'RECOVERY_CHANGED',
    `the new generation must be from ${lowest} to ${highest}, by the present configs of the sleds`,
    { detail: { generation, lowest, highest } },
  );
};

const requireStillAt = async (datastore: Deps['datastore'], planned: Point, wait: Wait): Promise<void> => {
  const { current } = await datastore.pointsRecorded([], wait);
  if (!samePoint(current, planned)) throw hasChanged();
};

const hasChanged = (cause?: unknown): DepotError =>
  new DepotError('RECOVERY_CHANGED', 'the database has changed since the plan', { cause });

const raise = async (
  datastore: Deps['datastore'],
  order: Parameters<WantedSetPort['generationRaise']>[0],
  { signal, audit }: Parameters<WantedSetPort['generationRaise']>[1],
): Promise<Raised> => {
  try {
    return await datastore.generationRaise(order, { signal, audit });
  } catch (error) {
    if (errorCodeOf(error) !== 'INVALID_REQUEST') throw error;
    throw hasChanged(error);
  }
};

const recoveryView = (
  { generation, outcome, sleds, points, undecided }: RecoveryPlan,
  obstacles: readonly RecoveryObstacle[],
): GenerationRecovery => ({
  state: outcome.kind === 'not_needed' ? 'not_needed' : obstacles.length === 0 ? 'needed' : 'blocked',
  generation,
  to: outcome.kind === 'recover' ? outcome.to : null,
  sleds: sleds.map(sled => ({
    sled_id: sled.id,
    serial: sled.serial,
    state: sled.fate,
    excluded: sled.isExcluded,
    generation: sled.generation ?? null,
    ...renderFinding(sled.finding),
    details: toDetails(sled.finding),
  })),
  points: points.map(({ point, sleds: holders, artifacts }) => ({
    generation: point.generation,
    config_digest: point.digest,
    sleds: [...holders],
    artifacts: artifacts ?? null,
  })),
  undecided_artifacts_total: undecided.length,
  undecided_artifacts: undecided.slice(0, MAX_LISTED_ARTIFACTS).map(({ sha256, isDeleted, points: at }) => ({
    sha256,
    state: isDeleted ? 'deleted' : 'unknown',
    points: at.map(pointText),
  })),
  obstacles: obstacles.map(obstacle => ({
    code: obstacle.code,
    ...renderObstacle(obstacle),
    details: toDetails(obstacle),
  })),
});
