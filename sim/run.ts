/**
 * One run: the fleet of a seed, a phase with faults, and one in which it has to come to rest.
 *
 *     seed ─▶ swarm, script ─▶ faults … ─▶ all but permanent faults are repaired ─▶ at rest, in time ─▶ quiet
 *
 * RN1. A seed and the chosen steps determine the run, to the last message.
 * RN2. The first violation ends it.
 */
import type { FleetStatus } from '../src/api/operator-fleet-api.ts';
import { CLOCK_TOLERANCE_MS } from '../src/identity/clock-tolerance.ts';
import { findShortfall, fitsOnSleds } from './checkers/final.ts';
import type { WaitRules } from './checkers/waits.ts';
import { createOperator, readStatus } from './fleet/operator.ts';
import { ORDINARY_RELEASES, type ReleaseShelf } from './fleet/releases.ts';
import { createWorld, type World } from './fleet/world.ts';
import { upgradeNexuses } from './script/database-faults.ts';
import { perform } from './script/perform.ts';
import { recoverableReleases } from './script/recover-generation.ts';
import { createRecovery } from './script/recovery.ts';
import type { Scene } from './script/scene.ts';
import { drawScript } from './script/script.ts';
import type { Step } from './script/step.ts';
import { drawSwarm, type FleetSize, ROOMY_QUOTA_BYTES, type Swarm } from './script/swarm.ts';
import { createStreams } from './time/streams.ts';
import { createTrace, type Sometimes } from './trace.ts';
import type { Violation } from './violation.ts';
import { createWitness, type Witness } from './witness/witness.ts';

export type RunOptions = {
  readonly seed: number;
  readonly size: FleetSize;
  readonly shelf: ReleaseShelf;
  /** Gets a line for each event; absent without a reader. */
  readonly write?: ((line: string) => void) | undefined;
  /** The numbers of the steps to run; all if absent. */
  readonly only?: ReadonlySet<number> | undefined;
};

export type RunResult = {
  readonly seed: number;
  readonly violation: Violation | undefined;
  readonly steps: readonly Step[];
  readonly reached: ReadonlySet<Sometimes>;
  readonly virtualMs: number;
  readonly events: number;
};

const MINUTE_MS = 60_000;
/** From the end of the faults to rest: several of the longest back-offs (5 min), a reconcile (5 min), and rounds between. */
const REST_WITHIN_MS = 40 * MINUTE_MS;
/** A false revocation counts until so long after it (RVK4); then a certificate that an operator issued anew does. */
const REVOKED_AHEAD_MS = CLOCK_TOLERANCE_MS + 10 * MINUTE_MS;
/** After at most so many windows no artifact is sent any more. */
const QUIET_MS = 2.5 * MINUTE_MS;
const QUIET_WINDOWS = 4;
/** Longer than the longest back-off. */
const SILENT_MS = 5.5 * MINUTE_MS;
const LOOK_EVERY_MS = 5_000;
const MOST_RELEASES = 12;

export const runSeed = async (options: RunOptions): Promise<RunResult> => {
  const streams = createStreams(options.seed);
  const swarm = drawSwarm(streams('swarm'), options.size);
  const script = drawScript(swarm, streams('script'));
  const steps = options.only === undefined ? script : script.filter(step => options.only!.has(step.number));
  const scene = await setUp(options, swarm);
  const { world, witness } = scene;
  describe(world, swarm);
  world.scheduler.after(swarm.olderNexusUntilMs, () => upgradeNexuses(scene));
  for (const step of steps) world.scheduler.after(step.atMs, () => perform(scene, step));
  const isOver = () => {
    witness.look();
    return witness.violation() !== undefined;
  };
  await world.scheduler.runUntil(swarm.durationMs, isOver);
  if (!isOver()) await comeToRest(scene, isOver);
  const violation = witness.violation();
  // Ends every wait, so that the run can be collected as garbage.
  for (const { machine } of [...world.sleds, ...world.nexuses]) machine.retire();
  return {
    seed: options.seed,
    violation,
    steps,
    reached: world.trace.reachedNames(),
    virtualMs: world.scheduler.nowMs(),
    events: world.scheduler.events(),
  };
};

const setUp = async (options: RunOptions, swarm: Swarm): Promise<Scene> => {
  const { seed, shelf } = options;
  let witness: Witness | undefined;
  const world = createWorld({
    seed,
    shelf,
    ...swarm,
    nexusPlan: swarm,
    isNexusOlder: swarm.olderNexusUntilMs > 0,
    trace: nowMs => createTrace(nowMs, options.write),
    watch: made => {
      witness = createWitness(made, { ...waitRules(swarm), requiresSigned: swarm.requiresSigned });
      return witness;
    },
  });
  const first = world.streams('releases').below(MOST_RELEASES);
  const releases = [];
  for (let at = 0; at < MOST_RELEASES; at += 1)
    releases.push(await shelf.release((first + at) % ORDINARY_RELEASES));
  releases.push(...(await shelf.special()));
  const scene: Scene = {
    world,
    witness: witness!,
    operator: createOperator(world, world.streams('operator')),
    swarm,
    releases,
    taken: 0,
    changesToCome: 0,
    olderStates: new WeakSet(),
    undo: new Set(),
    hostility: { nexuses: new Map(), sleds: new Set(), hasRevoked: false, resetAtMs: new Map(), ends: [] },
    signed: new Map(),
    restoredAtMs: new Map(),
  };
  trustReleases(world);
  for (let at = 0; at < swarm.nexuses; at += 1) world.addNexus();
  for (const datasets of swarm.sleds) world.addSled({ datasets });
  setWeather(scene);
  return scene;
};

const waitRules = ({ deletion, quotaBytes, everyMs, diskErrorProbability }: Swarm): WaitRules => {
  const faults = [...everyMs.keys()];
  return {
    ...deletion,
    hasRoom: quotaBytes >= ROOMY_QUOTA_BYTES && !everyMs.has('dataset full'),
    remembers:
      diskErrorProbability === 0 && !faults.some(kind => kind.startsWith('dataset') || FILE_FAULTS.has(kind)),
  };
};
/** Faults that remove or change files without a deletion. */
const FILE_FAULTS: ReadonlySet<string> = new Set(['wipe a sled', 'flip a bit', 'cut a file short']);

/** The trust root is present before the run. */
const trustReleases = ({ database, shelf }: World): void => {
  const state = database.snapshot();
  const id = '00000000-0000-4000-8000-000000000001' as never;
  const record = { id, timeCreatedMs: 0, rootBytes: shelf.trustRoot, trustedVersions: null };
  const trustRoot = { first: record, timeDeletedMs: null, chain: new Map() };
  database.restore({ ...state, trustRoots: new Map([[id, trustRoot]]) });
};

const setWeather = ({ world, swarm }: Scene): void => {
  Object.assign(world.network.weather, {
    lossProbability: swarm.lossProbability,
    duplicateProbability: swarm.duplicateProbability,
    flipProbability: swarm.flipProbability,
    mostMs: swarm.mostDelayMs,
  });
  Object.assign(world.databaseWeather, {
    conflictProbability: swarm.conflictProbability,
    lostProbability: swarm.lostProbability,
    uncertainProbability: swarm.uncertainProbability,
    mostMs: swarm.databaseMostMs,
  });
  Object.assign(world.diskWeather, {
    mostMs: swarm.diskMostMs,
    tailProbability: swarm.diskTailProbability,
    errorProbability: swarm.diskErrorProbability,
  });
};

const comeToRest = async (scene: Scene, isOver: () => boolean): Promise<void> => {
  const { world, witness } = scene;
  const { scheduler, trace } = world;
  trace.say('#', 'all but permanent faults are repaired');
  const recovery = createRecovery(scene);
  recovery.mend();
  const { holdings, keptForPeople } = witness;
  const { quotaBytes, diskErrorProbability } = scene.swarm;
  const hasDiskErrors = diskErrorProbability > 0;
  const facts = {
    world,
    holdings,
    keptForPeople,
    quotaBytes,
    hasDiskErrors,
    broken: recovery.broken,
    lost: () => recoverableReleases(scene),
  };
  const isBusy = () => scene.operator.uploading() > 0 || scene.changesToCome > 0;
  const endOfFaultsMs = scheduler.nowMs();
  let shortfall = findShortfall(facts);
  const restWithinMs = () =>
    REST_WITHIN_MS +
    (shortfall?.mayWait ? mostWaitMs(scene.swarm) : 0) +
    (scene.hostility.hasRevoked ? REVOKED_AHEAD_MS : 0);
  while ((shortfall !== undefined || isBusy()) && scheduler.nowMs() < endOfFaultsMs + restWithinMs()) {
    recovery.help();
    await scheduler.runUntil(scheduler.nowMs() + LOOK_EVERY_MS, isOver);
    if (witness.violation() !== undefined) return;
    shortfall = findShortfall(facts);
  }
  if (shortfall !== undefined) {
    await askStatus(scene, (nexus, { reasons }) => {
      for (const { code, message } of reasons) trace.say(nexus, `status: ${code} ${message}`);
    });
    witness.fail(
      shortfall.guarantee,
      `not at rest ${Math.round(restWithinMs() / MINUTE_MS)} minutes after the last fault: ${shortfall.message}`,
    );
    return;
  }
  trace.say('#', 'at rest');
  if (!scene.swarm.staysQuiet) return;
  await stayQuiet(scene, isOver, () => findShortfall(facts));
  if (witness.violation() !== undefined) return;
  const hasRoom = fitsOnSleds(facts);
  await askStatus(scene, (nexus, status) => recovery.reasons.onStatusAtRest(nexus, status, { hasRoom }));
};

/** The longest that an artifact stays on a sled after no release lists it. */
const mostWaitMs = ({ deletion: { waitMs, limitPercent, limitWaitMs } }: Swarm): number =>
  limitPercent < 100 ? limitWaitMs : waitMs;

/** The status of the fleet by each Nexus that is up. */
const askStatus = async (
  { world }: Scene,
  use: (nexus: string, status: FleetStatus) => void,
): Promise<void> => {
  for (const { machine } of world.nexuses) {
    let status: FleetStatus | undefined;
    void readStatus(machine.serving()).then(
      answer => {
        status = answer;
      },
      // A Nexus without a status has nothing to check.
      () => undefined,
    );
    await world.scheduler.runUntil(world.scheduler.nowMs() + LOOK_EVERY_MS, () => status !== undefined);
    if (status !== undefined) use(machine.name, status);
  }
};

const stayQuiet = async (
  { world, witness, swarm }: Scene,
  isOver: () => boolean,
  look: () => ReturnType<typeof findShortfall>,
): Promise<void> => {
  const { scheduler, transfers } = world;
  // Requests from before the rest may still end.
  await scheduler.runUntil(scheduler.nowMs() + MINUTE_MS, isOver);
  const sentIn = async (ms: number): Promise<number> => {
    const before = transfers.count;
    await scheduler.runUntil(scheduler.nowMs() + ms, isOver);
    return transfers.count - before;
  };
  // A sled may not know yet that its disk, or its copy, is good.
  for (let window = 1; window < QUIET_WINDOWS && (await sentIn(QUIET_MS)) > 0; window += 1)
    if (witness.violation() !== undefined) return;
  const sent = await sentIn(SILENT_MS);
  if (witness.violation() !== undefined) return;
  if (sent > 0 && fitsOnSleds({ holdings: witness.holdings, quotaBytes: swarm.quotaBytes }))
    witness.fail('G3', `${sent} artifacts were sent or copied in a fleet at rest`);
  const lookAgain = async () => {
    await scheduler.runUntil(scheduler.nowMs() + LOOK_EVERY_MS, isOver);
    return look();
  };
  const lookTwice = async () => {
    const first = look();
    if (!first?.isUnfinished) return first;
    const again = await lookAgain();
    return again?.isUnfinished && again.message !== first.message ? undefined : again;
  };
  let shortfall = await lookTwice();
  // Retention deletes releases of a fleet at rest too, and what they listed waits (T4).
  const untilMs = scheduler.nowMs() + (swarm.prunes ? mostWaitMs(swarm) : 0);
  while (shortfall?.mayWait && scheduler.nowMs() < untilMs && witness.violation() === undefined) {
    await lookAgain();
    shortfall = await lookTwice();
  }
  if (witness.violation() !== undefined) return;
  if (shortfall !== undefined) witness.fail(shortfall.guarantee, `no longer at rest: ${shortfall.message}`);
};

const describe = ({ trace }: World, swarm: Swarm): void => {
  if (!trace.isOn) return;
  const { everyMs, sleds, nexuses, minSledReplication, ...rates } = swarm;
  trace.say('#', `${nexuses} Nexus, sleds with ${sleds.join(', ')} datasets, minimum ${minSledReplication}`);
  trace.say('#', [...everyMs.keys()].join(', '));
  trace.say(
    '#',
    JSON.stringify(rates, (_, value) => (typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value)),
  );
};
