/**
 * Identities that were revoked by mistake, or by a Nexus that lies: a person restores them with the admin key.
 *
 *     expunged by mistake ─▶ in service again, restore_identity ─▶ its certificate counts ─▶ (expunged for good)
 *     found revoked at rest ─▶ restore_identity ─ counts nowhere? ─▶ another certificate
 *
 * RSI1. Nobody restores a machine whose key somebody else has.
 */
import type { RestoredIdentity } from '../../src/core/statement.ts';
import type { SimNexus, SimSled } from '../fleet/world.ts';
import { requestContext } from '../network/request-context.ts';
import { chosen } from './chosen.ts';
import { expungeSled } from './operations.ts';
import { forAWhile, inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';
import { sign } from './statements.ts';
import type { Step } from './step.ts';

/** A sled or a Nexus. */
const identityOf = ({ machine }: SimSled | SimNexus): RestoredIdentity => {
  const { kind, id } = machine.box.passport.identity;
  return { kind, id };
};

export const expungeByMistake = (scene: Scene, step: Step): void => {
  const nexus = chosen(inServiceNexuses(scene), step.choice[0]);
  const sled = chosen(
    inServiceSleds(scene).filter(each => !scene.hostility.sleds.has(each)), // RSI1
    step.choice[1],
  );
  if (nexus === undefined || sled === undefined) return;
  expungeSled(scene, nexus, sled);
  forAWhile(scene, step.forMs, () => {
    // At the end of the faults it may be the only change: without it the fleet is at rest without the sled.
    scene.changesToCome += 1;
    void takeBack(scene, step, sled).finally(() => {
      scene.changesToCome -= 1;
    });
  });
};

const takeBack = async (scene: Scene, step: Step, sled: SimSled): Promise<void> => {
  const { world, operator } = scene;
  const nexus = chosen(inServiceNexuses(scene), step.choice[0]);
  if (nexus === undefined || sled.standing !== 'expunged' || scene.hostility.sleds.has(sled)) return;
  world.trace.say('operator', `takes ${sled.plan.serial} back into service`);
  await operator.ask(nexus, (services, incoming) =>
    services.operatorFleet.sledSetPolicy({
      ...requestContext(incoming),
      params: { sled_id: sled.plan.id },
      query: {},
      body: { policy: 'in_service' },
    }),
  );
  await sign(scene, nexus, { kind: 'restore_identity', identity: identityOf(sled) });
  if (step.choice[2] % 2 > 0 || world.scheduler.nowMs() + step.forMs > scene.swarm.durationMs) return;
  world.scheduler.after(step.forMs, () => expungeAgain(scene, sled));
};

const expungeAgain = (scene: Scene, sled: SimSled): void => {
  const [nexus] = inServiceNexuses(scene);
  if (nexus === undefined || sled.standing !== 'in_service') return;
  scene.world.trace.reached('an identity was revoked again after a person had restored it');
  expungeSled(scene, nexus, sled);
};

/** A statement reaches each sled that is up within a round of its task; one that hears no Nexus needs a new certificate. */
const HEARD_WITHIN_MS = 4 * 60_000;

/** Whether a person restores it, or has a moment ago: of half of the machines, since a new certificate has to help as well. */
export const isRestored = (scene: Scene, own: SimSled | SimNexus): boolean => {
  const { world, hostility, restoredAtMs } = scene;
  const identity = identityOf(own);
  const isStolen = [...hostility.sleds].some(sled => sled === own); // RSI1
  const [nexus] = inServiceNexuses(scene);
  if (nexus === undefined || world.admin.pinned.length === 0 || isStolen) return false;
  if (Number.parseInt(identity.id[0] ?? '0', 16) % 2 > 0) return false;
  const nowMs = world.scheduler.nowMs();
  const before = restoredAtMs.get(identity.id);
  if (before !== undefined) return nowMs - before < HEARD_WITHIN_MS;
  restoredAtMs.set(identity.id, nowMs);
  void sign(scene, nexus, { kind: 'restore_identity', identity });
  return true;
};
