/** Faults of machines, network, clocks and database. */
import type { Machine } from '../fleet/machine.ts';
import type { SimNexus, SimSled } from '../fleet/world.ts';
import { chosen } from './chosen.ts';
import { failOver, failOverWithMachinesAway, restoreDatabase } from './database-faults.ts';
import { forAWhile, inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';
import type { Step } from './step.ts';

const HOUR_MS = 3_600_000;

/** The effect of a step on the sled, or on the Nexus, that it draws. */
const ON_SLED: Partial<Record<Step['kind'], (scene: Scene, sled: SimSled, step: Step) => void>> = {
  'kill a sled': (scene, { machine }, step) => stopFor(scene, machine, step.forMs, machine.kill),
  'cut the power of a sled': (scene, sled, step) =>
    stopFor(scene, sled.machine, step.forMs, () => cutPower(scene, sled)),
  'kill a sled in an operation': (scene, sled, step) =>
    dieInOperation(scene, sled.machine, step, () =>
      step.choice[1] % 2 === 0 ? sled.machine.kill() : cutPower(scene, sled),
    ),
  'pause a sled': (scene, { machine }, step) => pauseFor(scene, machine, step.forMs),
  'sled lies': (scene, sled, step) => lieFor(scene, sled, step.forMs),
  'wipe a sled': (scene, sled) => wipeSled(scene, sled),
};
const ON_NEXUS: Partial<Record<Step['kind'], (scene: Scene, nexus: SimNexus, step: Step) => void>> = {
  'kill a Nexus': (scene, { machine }, step) => stopFor(scene, machine, step.forMs, machine.kill),
  'cut the power of a Nexus': (scene, nexus, step) =>
    stopFor(scene, nexus.machine, step.forMs, () => cutNexusPower(scene, nexus)),
  'kill a Nexus in an operation': (scene, nexus, step) =>
    dieInOperation(scene, nexus.machine, step, () =>
      step.choice[1] % 2 === 0 ? nexus.machine.kill() : cutNexusPower(scene, nexus),
    ),
  'pause a Nexus': (scene, { machine }, step) => pauseFor(scene, machine, step.forMs),
  'destroy a Nexus': (scene, nexus) => destroyStaging(scene, nexus),
};
const ON_FLEET: Partial<Record<Step['kind'], (scene: Scene, step: Step) => void>> = {
  'partition the network': (scene, step) => partitionNetwork(scene, step),
  'partition it one way': (scene, step) => partitionNetwork(scene, step),
  'hold up links': (scene, step) => holdUpLinks(scene, step),
  'clock jumps': (scene, step) => setClock(scene, step, ((step.choice[1] % 2001) / 1000 - 1) * 24 * HOUR_MS),
  'clock a year off': (scene, step) =>
    setClock(scene, step, (step.choice[1] % 2 === 0 ? 1 : -1) * 365 * 24 * HOUR_MS),
  'database away': (scene, step) => takeDatabaseAway(scene, step.forMs),
  'database restored': restoreDatabase,
  'database fails over': failOver,
  'database fails over while machines are away': failOverWithMachinesAway,
};

export const breakFleet = (scene: Scene, step: Step): void => {
  const sled = chosen(inServiceSleds(scene), step.choice[0]);
  const nexus = chosen(inServiceNexuses(scene), step.choice[0]);
  if (sled !== undefined) ON_SLED[step.kind]?.(scene, sled, step);
  if (nexus !== undefined) ON_NEXUS[step.kind]?.(scene, nexus, step);
  ON_FLEET[step.kind]?.(scene, step);
};

const setClock = (scene: Scene, { choice }: Step, byMs: number): void => {
  const machine = chosen<Machine<unknown>>(
    [...inServiceSleds(scene), ...inServiceNexuses(scene)].map(each => each.machine),
    choice[0],
  );
  if (machine !== undefined) machine.wallOffsetMs += byMs;
};

const takeDatabaseAway = (scene: Scene, forMs: number): void => {
  scene.world.databaseWeather.isAway = true;
  forAWhile(scene, Math.min(forMs, 120_000), () => {
    scene.world.databaseWeather.isAway = false;
  });
};

const stopFor = (scene: Scene, machine: Machine<unknown>, forMs: number, stop: () => void): void => {
  stop();
  forAWhile(scene, forMs, machine.start);
};

const cutPower = ({ world, witness }: Scene, sled: SimSled): void => {
  world.trace.say(sled.plan.serial, 'power cut');
  sled.machine.powerCut(world.streams(`power ${sled.plan.serial} ${world.scheduler.nowMs()}`));
  world.trace.reached('a power cut lost unsynced data');
  witness.onPowerCut(sled);
};

const cutNexusPower = ({ world }: Scene, { machine }: SimNexus): void => {
  world.trace.say(machine.name, 'power cut');
  machine.powerCut(world.streams(`power ${machine.name} ${world.scheduler.nowMs()}`));
};

/** The process dies before one of its next disk operations, so that in time every step of a put, config or upload is hit. */
const dieInOperation = (scene: Scene, machine: Machine<unknown>, step: Step, die: () => void): void => {
  machine.operationsLeft = 1 + (step.choice[2] % 60);
  machine.onLastOperation = () => {
    scene.world.trace.say(machine.name, 'dies in a disk operation');
    scene.world.trace.reached('a process was killed in a disk operation');
    die();
    forAWhile(scene, Math.min(step.forMs, 20_000), machine.start);
  };
};

const pauseFor = (scene: Scene, machine: Machine<unknown>, forMs: number): void => {
  const process = machine.process();
  if (process === undefined) return;
  process.pause();
  scene.world.trace.say(machine.name, 'is paused');
  forAWhile(scene, forMs, () => {
    process.resume();
    scene.world.trace.say(machine.name, 'resumes');
    if (machine.name.startsWith('nexus') && forMs > 60_000)
      scene.world.trace.reached('a Nexus resumed after a long pause');
  });
};

const everyone = ({ world }: Scene): string[] => [
  'operator',
  ...world.sleds.map(({ machine }) => machine.name),
  ...world.nexuses.map(({ machine }) => machine.name),
];

const partitionNetwork = (scene: Scene, step: Step): void => {
  const { network } = scene.world;
  const names = everyone(scene);
  const inside = new Set(names.filter((_, at) => ((step.choice[1] >> (at % 24)) & 1) === 1));
  const links = names.flatMap(a =>
    names
      .filter(b => inside.has(a) && !inside.has(b))
      .flatMap(b =>
        step.kind === 'partition it one way'
          ? [[a, b]]
          : [
              [a, b],
              [b, a],
            ],
      ),
  ) as [string, string][];
  for (const [from, to] of links) network.block(from, to);
  forAWhile(scene, step.forMs, () => {
    for (const [from, to] of links) network.unblock(from, to);
  });
};

/** The links of some machines are held up one by one, and released in another order. */
const holdUpLinks = (scene: Scene, step: Step): void => {
  const { network, scheduler, streams, trace } = scene.world;
  const rng = streams(`hold up ${step.number}`);
  const names = everyone(scene);
  const links = names.flatMap(a =>
    names.filter(b => a !== b && rng.below(3) === 0).map(b => [a, b] as const),
  );
  const released = new Set<string>();
  for (const [from, to] of links) {
    scheduler.after(rng.next() * step.forMs * 0.3, () => {
      if (!released.has(`${from}>${to}`)) network.hold(from, to);
    });
    forAWhile(scene, step.forMs * (0.4 + 0.6 * rng.next()), () => {
      released.add(`${from}>${to}`);
      network.release(from, to);
      trace.reached('a link was held up and released');
    });
  }
};

/** Fewer sleds than the minimum lie at a time: more of them could cost the last copy. */
const lieFor = (scene: Scene, sled: SimSled, forMs: number): void => {
  const { world } = scene;
  const liars = world.sleds.filter(({ isLying }) => isLying).length;
  if (liars + 1 >= world.minSledReplication || sled.isLying) return;
  sled.isLying = true;
  world.trace.say(sled.plan.serial, 'starts lying');
  forAWhile(scene, forMs, () => {
    sled.isLying = false;
    world.trace.say(sled.plan.serial, 'stops lying');
  });
};

const wipeSled = (scene: Scene, sled: SimSled): void => {
  const { world, witness } = scene;
  world.trace.say(sled.plan.serial, 'is wiped');
  sled.machine.kill();
  const had = witness.holdings.heldBy(sled);
  for (const volume of sled.machine.volumes.values()) {
    volume.session += 1;
    volume.medium.restore(new Map());
    volume.medium.mountPoint.now.clear();
    volume.medium.mountPoint.durable.clear();
  }
  witness.copies.onTaken(sled, had);
  witness.leases.reread(sled, sled.machine.volumes.values());
  forAWhile(scene, 5_000, sled.machine.start);
};

const destroyStaging = (scene: Scene, { machine }: SimNexus): void => {
  scene.world.trace.say(machine.name, 'loses its disk');
  machine.kill();
  for (const volume of machine.volumes.values()) {
    volume.session += 1;
    volume.medium.restore(new Map());
  }
  scene.witness.copies.onHarm();
  forAWhile(scene, 10_000, machine.start);
};
