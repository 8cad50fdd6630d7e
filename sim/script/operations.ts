/** The actions of operators, as far as the present fleet allows each. */
import { nexusIdOn } from '../checkers/holdings.ts';
import { STAGING } from '../fleet/nexus-machine.ts';
import type { SimRelease } from '../fleet/releases.ts';
import type { SimNexus, SimSled } from '../fleet/world.ts';
import { requestContext } from '../network/request-context.ts';
import { chosen } from './chosen.ts';
import { returnLease, takeLease } from './leases.ts';
import { recoverGeneration } from './recover-generation.ts';
import { inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';
import type { OperatorAct, Step } from './step.ts';

/** Enough for every kind of run. */
const MOST_MACHINES = 48;

export const performOperation = (scene: Scene, step: Step, act: OperatorAct): void => {
  const [first, second, third] = step.choice;
  const nexus = chosen(inServiceNexuses(scene), first);
  if (nexus === undefined) return;
  switch (act) {
    case 'upload': {
      const release = scene.releases[scene.taken];
      if (release === undefined || release.needs !== undefined) return;
      scene.taken += 1;
      scene.operator.upload(release, nexus);
      return;
    }
    case 'upload again': {
      const release = chosen(scene.releases.slice(0, scene.taken), second);
      if (release !== undefined) scene.operator.upload(release, nexus);
      return;
    }
    case 'delete': {
      const release = chosen(presentReleases(scene), second);
      if (release !== undefined) scene.operator.remove(release, nexus);
      return;
    }
    case 'delete and upload again': {
      const release = chosen(presentReleases(scene), second);
      if (release !== undefined) replaceRelease(scene, release, nexus, third);
      return;
    }
    case 'add a sled':
      if (scene.world.sleds.length < MOST_MACHINES) scene.world.addSled({ datasets: 1 + (second % 3) });
      return;
    case 'expunge a sled': {
      const sled = chosen(inServiceSleds(scene), second);
      if (sled !== undefined) expungeSled(scene, nexus, sled);
      return;
    }
    case 'replace a sled': {
      const sled = chosen(inServiceSleds(scene), second);
      if (sled !== undefined && scene.world.sleds.length < MOST_MACHINES) replaceSled(scene, sled, third);
      return;
    }
    case 'add a Nexus':
      if (scene.world.nexuses.length < 5) scene.world.addNexus();
      return;
    case 'expunge a Nexus': {
      const dead = inServiceNexuses(scene).find(each => !each.machine.isUp());
      if (dead !== undefined && dead !== nexus) expungeNexus(scene, nexus, dead);
      return;
    }
    case 'recover the generation':
      void recoverGeneration(scene, nexus);
      return;
    case 'upgrade a sled': {
      const sled = chosen(inServiceSleds(scene), second);
      if (sled !== undefined) upgradeSled(scene, sled);
      return;
    }
    case 'take a lease':
    case 'return a lease': {
      const sled = chosen(inServiceSleds(scene), second);
      // A program without a lease continues.
      const work = act === 'take a lease' ? takeLease : returnLease;
      if (sled !== undefined) void work(scene, sled, step).catch(() => undefined);
      return;
    }
    default:
      act satisfies never;
  }
};

const presentReleases = ({ world, releases }: Scene): readonly SimRelease[] => {
  const present = new Set<string>();
  for (const { repo } of world.database.snapshot().releases.values())
    if (repo.timePrunedMs === null) present.add(repo.systemVersion);
  return releases.filter(({ systemVersion }) => present.has(systemVersion));
};

const upgradeSled = ({ world }: Scene, sled: SimSled): void => {
  if (sled.agent === 'current') return;
  world.trace.say('operator', `replaces the sled agent of ${sled.plan.serial} by a newer one`);
  sled.agent = 'current';
  if (!sled.machine.isUp()) return;
  sled.machine.kill();
  sled.machine.start();
};

/** A deletion and an upload of one release at once: sleds are about to unlink artifacts that are wanted again. */
const replaceRelease = (scene: Scene, release: SimRelease, nexus: SimNexus, choice: number): void => {
  scene.operator.remove(release, nexus);
  const again = chosen(inServiceNexuses(scene), choice) ?? nexus;
  scene.operator.upload(release, again, choice % 5_000);
};

/** The operator expunges a sled: its copies do not count any more. */
export const expungeSled = (scene: Scene, nexus: SimNexus, sled: SimSled): void => {
  scene.world.trace.say('operator', `expunges ${sled.plan.serial}`);
  void scene.operator.ask(nexus, (services, incoming) =>
    services.operatorFleet.sledSetPolicy({
      ...requestContext(incoming),
      params: { sled_id: sled.plan.id },
      query: {},
      body: { policy: 'expunged' },
    }),
  );
};

/** A machine with empty disks takes the id of one that is gone for good. */
const replaceSled = ({ world, witness }: Scene, sled: SimSled, choice: number): void => {
  world.trace.say('operator', `replaces ${sled.plan.serial}`);
  sled.standing = 'gone';
  sled.machine.retire();
  const { id } = sled.plan;
  const fresh = world.addSled({ datasets: 1 + (choice % 3), id });
  witness.copies.onReplaced(sled, fresh);
};

const expungeNexus = ({ world, operator, witness }: Scene, nexus: SimNexus, dead: SimNexus): void => {
  const id = nexusIdOn(dead.machine.volumes.get(STAGING)!);
  if (id === undefined) return;
  void operator
    .ask(nexus, (services, incoming) =>
      services.operatorFleet.nexusExpunge({
        ...requestContext(incoming),
        params: { nexus_id: id as never },
        query: {},
        body: undefined,
      }),
    )
    .then(() => {
      if (world.database.snapshot().nexuses.get(id as never)?.policy !== 'expunged') return;
      world.trace.say('operator', `${dead.machine.name} is expunged`);
      dead.standing = 'expunged';
      dead.machine.retire();
      witness.copies.onHarm();
    });
};
