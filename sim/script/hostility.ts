/**
 * Hostile callers, and what operators do about them: they expunge the Nexus, or the sled, whose key somebody has.
 *
 *     key of a Nexus | of a sled | none ─▶ intruder ─▶ … ─▶ expunged ─▶ refused, on connections that are open too
 *
 * HY1. A Nexus that revokes others is switched off by people at the end of the faults: its lies do not end otherwise. Every other
 *      intruder goes on to the end of the run.
 * HY2. One Nexus at most is taken over, and there is another one.
 */
import type { NexusId } from '../../src/core/ids.ts';
import { resetStore } from '../../src/sled-agent/reset.ts';
import { keptOn, newestLedgerOn, pointOfLedger } from '../checkers/ledgers.ts';
import { impersonate } from '../fleet/impostor.ts';
import { type Intruder, intrude, putEverywhere } from '../fleet/intruder.ts';
import { lyingNexus } from '../fleet/lying-nexus.ts';
import { sledConfig } from '../fleet/sled-machine.ts';
import type { SimNexus, SimSled } from '../fleet/world.ts';
import { FLEET, type Passport } from '../identity/passport.ts';
import { requestContext } from '../network/request-context.ts';
import { createProcess, EPOCH_MS } from '../time/process.ts';
import { idFrom } from '../time/streams.ts';
import { chosen } from './chosen.ts';
import { expungeSled } from './operations.ts';
import { inServiceNexuses, inServiceSleds, type Scene } from './scene.ts';
import type { Hostility, Step } from './step.ts';

const PLANTED = ['one', 'other', 'third'].map(name => Buffer.from(`${name} that nobody signed `.repeat(90)));

export const beHostile = (scene: Scene, step: Step, kind: Hostility): void => {
  switch (kind) {
    case 'a Nexus is taken over':
      takeNexus(scene, step);
      return;
    case 'a sled is taken over':
      takeSled(scene, step);
      return;
    case 'a stranger calls':
      callAsStranger(scene, step);
      return;
    default:
      kind satisfies never;
  }
};

const takeNexus = (scene: Scene, step: Step): void => {
  const { world, witness, hostility } = scene;
  if (hostility.nexuses.size > 0 || inServiceNexuses(scene).length < 2) return;
  const known = world.database.snapshot().nexuses;
  // One that the database does not know cannot be expunged.
  const nexus = chosen(
    inServiceNexuses(scene).filter(({ machine }) => known.has(idOf(machine))),
    step.choice[0],
  );
  if (nexus === undefined) return;
  const rng = world.streams(`intruder ${step.number}`);
  const { machine } = nexus;
  world.trace.say(machine.name, 'is taken over');
  world.trace.reached('a Nexus was taken over');
  nexus.standing = 'taken';
  witness.copies.onHarm();
  // Its false floors make a sled trust an older ledger, when no disk that it can read has the newer one.
  witness.removals.onDatabaseRestored(Number.MAX_SAFE_INTEGER, 0);
  const revokes = step.choice[1] % 3 === 0;
  const intruder = {
    ...{ machine: machine.name, rng, revokes, planted: PLANTED },
    process: machine.takeOver(lyingNexus(rng)),
    passport: () => machine.box.passport,
  };
  if (revokes) {
    hostility.hasRevoked = true;
    hostility.ends.push(machine.retire);
  }
  hostility.nexuses.set(nexus, intruder);
  intrude(world, intruder);
  world.scheduler.after(SILENT_MS + step.forMs, () => expungeNexus(scene, nexus));
};

/** An alive Nexus is not expunged: three heartbeats. */
const SILENT_MS = 50_000;

/** A thief has a copy of its key; the sled itself goes on. */
const takeSled = (scene: Scene, step: Step): void => {
  const { world, hostility } = scene;
  const sled = chosen(inServiceSleds(scene), step.choice[0]);
  if (sled === undefined) return;
  const { passport } = sled.machine.box;
  hostility.sleds.add(sled);
  const thief = begin(scene, step, () => passport);
  impersonate(world, thief, sled);
  world.scheduler.after(step.forMs, () => {
    const nexus = chosen(inServiceNexuses(scene), step.choice[1]);
    if (nexus !== undefined) expungeSled(scene, nexus, sled);
  });
};

const callAsStranger = (scene: Scene, step: Step): void => {
  const { world } = scene;
  const stranger = begin(scene, step, () => forged(scene, step));
  impersonate(world, stranger, undefined);
};

const begin = ({ world }: Scene, step: Step, passport: Intruder['passport']): Intruder => {
  const machine = `thief-${step.number}`;
  const intruder = {
    machine,
    process: createProcess(machine, world.scheduler),
    rng: world.streams(`intruder ${step.number}`),
    passport,
    planted: PLANTED,
    revokes: true,
  };
  intrude(world, intruder);
  return intruder;
};

/** None; one that it made itself, with the name of a Nexus; one of another fleet; or one that has expired long ago. */
const forged = (scene: Scene, { choice }: Step): Passport | undefined => {
  const real = chosen(inServiceNexuses(scene), choice[0])?.machine.box.passport;
  if (real === undefined) return undefined;
  const nowMs = EPOCH_MS + scene.world.scheduler.nowMs();
  return [
    undefined,
    { ...real, isOfFleet: false },
    { ...real, identity: { ...real.identity, fleet: `${FLEET}-2` } },
    {
      ...real,
      identity: { ...real.identity, id: real.identity.id.replace(/.{4}$/, '0000') },
      isOfFleet: false,
    },
    { ...real, notAfterMs: nowMs - YEAR_MS },
  ][choice[1] % 5];
};
const YEAR_MS = 365 * 86_400_000;

const idOf = ({ box }: SimNexus['machine']): NexusId => box.passport.identity.id as NexusId;

const expungeNexus = (scene: Scene, nexus: SimNexus): void => {
  const { world, operator } = scene;
  const by = inServiceNexuses(scene).find(({ machine }) => machine.isUp());
  const id = idOf(nexus.machine);
  const intruder = scene.hostility.nexuses.get(nexus);
  if (by === undefined) return;
  if (intruder !== undefined) putEverywhere(world, intruder);
  void operator
    .ask(by, (services, incoming) =>
      services.operatorFleet.nexusExpunge({
        ...requestContext(incoming),
        params: { nexus_id: id },
        query: { compromised: 'true' },
        body: undefined,
      }),
    )
    .then(() => {
      if (world.database.snapshot().nexuses.get(id)?.policy === 'expunged')
        world.trace.reached('a hostile Nexus was expunged');
    });
};

/** At the end of the faults, and again each minute. */
export const endHostility = (scene: Scene): void => {
  const { hostility, world } = scene;
  for (const end of hostility.ends.splice(0)) end();
  const { nexuses } = world.database.snapshot();
  for (const nexus of hostility.nexuses.keys())
    if (nexuses.get(idOf(nexus.machine))?.policy !== 'expunged') expungeNexus(scene, nexus);
  const [by] = inServiceNexuses(scene);
  for (const sled of hostility.sleds)
    if (by !== undefined && sled.standing === 'in_service') expungeSled(scene, by, sled);
  for (const sled of inServiceSleds(scene)) resetUnbelievable(scene, sled);
};

/** What the database never follows: docs/operations.md, "A sled has diverged". */
const MOST_ABOVE = 2 ** 32;
/** Before that the sled has registered with each Nexus, and knows who is expunged. */
const RESET_AGAIN_MS = 4 * 60_000;

const resetUnbelievable = ({ world, hostility }: Scene, sled: SimSled): void => {
  const { stored } = world.database.snapshot();
  const volumes = [...sled.machine.volumes.values()];
  const isFar = (generation: number): boolean => generation > stored.generation + MOST_ABOVE;
  const kept = volumes.flatMap(keptOn).filter(({ point }) => isFar(Number(point.split(':')[0])));
  const told = newestLedgerOn(sled);
  const own = told !== undefined && isFar(told.generation) ? [pointOfLedger(told)] : [];
  const giveUp = [...new Set([...own, ...kept.map(({ point }) => point)])];
  if (giveUp.length === 0 || !sled.machine.isUp() || volumes.some(({ state }) => state !== 'ok')) return;
  const nowMs = world.scheduler.nowMs();
  if (nowMs - (hostility.resetAtMs.get(sled) ?? Number.NEGATIVE_INFINITY) < RESET_AGAIN_MS) return;
  hostility.resetAtMs.set(sled, nowMs);
  world.trace.say('operator', `resets ${sled.plan.serial}, and gives up ${giveUp.length} configs`);
  world.trace.reached('a sled was reset');
  // A person has decided on them.
  for (const point of giveUp) sled.verdicts.set(point, true);
  const rng = world.streams(`reset ${sled.plan.serial} ${world.scheduler.nowMs()}`);
  sled.machine.maintain(async host => {
    await resetStore(sledConfig(sled.plan).store, {
      giveUp,
      clock: host.process.clock,
      disk: host.disk,
      lockDirectory: host.lockDirectory,
      newId: () => idFrom(rng),
    });
  });
};
