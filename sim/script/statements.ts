/**
 * What operators sign with the admin key of the fleet, and send to a Nexus, which tells it to the sleds.
 *
 * OS1. A person allows deletions at the point of the database alone, after a look at it: what a sled says of its own point may be
 *      the work of a Nexus that lies.
 * OS2. A point is accepted where a recovery is applied, and later where the status names a sled that needs it: its database knows the
 *      point then, and the sled was once told that it does not.
 * OS3. What a restored database has lost of the others is sent again as it was signed: a restored identity stays as old as it was.
 */

import type { FleetStatus } from '../../src/api/operator-fleet-api.ts';
import { PointFact } from '../../src/core/facts/reason.ts';
import { type Point, pointText } from '../../src/core/ids.ts';
import {
  MAX_ACCEPTED_POINTS,
  type SignedStatement,
  type StatementContent,
  subjectOf,
} from '../../src/core/statement.ts';
import type { SimNexus } from '../fleet/world.ts';
import { requestContext } from '../network/request-context.ts';
import { chosen } from './chosen.ts';
import { inServiceNexuses, type Scene } from './scene.ts';
import type { Step } from './step.ts';

const TRIES = 3;

/** Resolves with whether a Nexus answered that it is recorded. */
export const sign = (scene: Scene, first: SimNexus, content: StatementContent): Promise<boolean> => {
  const { world } = scene;
  const body = world.admin.sign(content);
  world.trace.say('operator', `signs ${subjectOf(content)}`);
  if (LASTING.has(content.kind)) scene.signed.set(subjectOf(content), body);
  return send(scene, first, body);
};

/** What they decide does not end with a point. */
const LASTING: ReadonlySet<StatementContent['kind']> = new Set([
  'trust_root',
  'exempt_release',
  'restore_identity',
]);

/** OS3 */
export const sendLostStatements = (scene: Scene): void => {
  const [nexus] = inServiceNexuses(scene);
  const recorded = new Set(
    [...scene.world.database.snapshot().statements.values()].map(({ signed }) => signed.statement),
  );
  for (const body of scene.signed.values())
    if (nexus !== undefined && !recorded.has(body.statement)) void send(scene, nexus, body);
};

/** An answer may be lost: then the same statement is sent again. */
const send = async (scene: Scene, first: SimNexus, body: SignedStatement): Promise<boolean> => {
  const { operator } = scene;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const nexus = tries === 0 ? first : chosen(inServiceNexuses(scene), tries);
    if (nexus === undefined) return false;
    const view = await operator.ask(nexus, (services, incoming) =>
      services.operatorStatement.statementCreate({
        ...requestContext(incoming),
        params: {},
        query: {},
        body,
      }),
    );
    if (view !== undefined) return true;
  }
  return false;
};

/** OS1 */
export const allowDeletions = async (scene: Scene, step: Step): Promise<void> => {
  const nexus = chosen(inServiceNexuses(scene), step.choice[0]);
  const { generation, digest } = scene.world.database.snapshot().stored;
  if (nexus !== undefined)
    await sign(scene, nexus, { kind: 'allow_deletion', point: { generation, digest } });
};

/** Before the recovery, as the command line does it: nothing is accepted without the recovery. */
export const acceptPoints = async (
  scene: Scene,
  nexus: SimNexus,
  points: readonly Point[],
): Promise<boolean> => {
  if (scene.world.admin.pinned.length === 0) return true;
  let areRecorded = true;
  for (let from = 0; from < points.length; from += MAX_ACCEPTED_POINTS) {
    const some = points.slice(from, from + MAX_ACCEPTED_POINTS);
    areRecorded = (await sign(scene, nexus, { kind: 'accept_points', points: some })) && areRecorded;
  }
  return areRecorded;
};

/** OS2. @param accepted the points of this run that were accepted so */
export const acceptRefused = async (
  scene: Scene,
  reasons: FleetStatus['reasons'],
  accepted: Set<string>,
): Promise<void> => {
  const [nexus] = inServiceNexuses(scene);
  const points = reasons
    .filter(({ code }) => code === 'SLED_NEEDS_STATEMENT')
    .map(({ details }) => PointFact.parse(details?.claim))
    .filter(point => !accepted.has(pointText(point)));
  if (nexus === undefined || points.length === 0) return;
  for (const point of points) accepted.add(pointText(point));
  if (await acceptPoints(scene, nexus, points)) return;
  for (const point of points) accepted.delete(pointText(point));
};
