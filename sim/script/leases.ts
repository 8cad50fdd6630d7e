/** Programs on sleds that use artifacts: each takes a lease, and returns it or lets it expire. */
import { LeaseId } from '../../src/core/ids.ts';
import type { SimSled } from '../fleet/world.ts';
import { ownContext } from '../network/request-context.ts';
import { idFrom } from '../time/streams.ts';
import { chosen } from './chosen.ts';
import type { Scene } from './scene.ts';
import type { Step } from './step.ts';

export const takeLease = async (scene: Scene, sled: SimSled, step: Step): Promise<void> => {
  const { world, witness } = scene;
  const serving = sled.machine.serving();
  const sha256 = chosen(witness.holdings.heldBy(sled), step.choice[1]);
  if (serving === undefined || sha256 === undefined) return;
  const id = LeaseId.parse(idFrom(world.streams(`lease ${step.number}`)));
  const termS = 10 + (step.choice[2] % 110);
  const untilMs = world.scheduler.nowMs() + termS * 1000;
  const { signal } = new AbortController();
  await serving.endpoint.agent.artifactLeasePut({
    ...ownContext(serving, signal),
    params: { sha256, id },
    query: {},
    body: { term_s: termS },
  });
  witness.leases.taken(sled, id, { sha256, untilMs });
  world.trace.say(sled.plan.serial, `lease on ${sha256.slice(0, 8)} for ${termS} s`);
};

export const returnLease = async (scene: Scene, sled: SimSled, step: Step): Promise<void> => {
  const { witness, world } = scene;
  const serving = sled.machine.serving();
  const [id, lease] = chosen(witness.leases.of(sled), step.choice[1]) ?? [];
  if (serving === undefined || id === undefined || lease === undefined) return;
  witness.leases.returned(sled, id);
  const { signal } = new AbortController();
  await serving.endpoint.agent.artifactLeaseDelete({
    ...ownContext(serving, signal),
    params: { sha256: lease.sha256 as never, id: LeaseId.parse(id) },
    query: {},
    body: undefined,
  });
  world.trace.say(sled.plan.serial, `lease on ${lease.sha256.slice(0, 8)} returned`);
};
