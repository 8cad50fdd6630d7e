/**
 * A simulated fleet: machines, network, database and operator of one run, with the state of their faults.
 *
 *     Nexuses ─▶ database        sleds ─▶ disks        operator ─▶ Nexuses        witness ◀─ disks, database
 *
 * WO1. All randomness comes from the streams of the run's seed, all time from its scheduler.
 * WO2. The witness reads disks and database, not the product's reports of them.
 */
import { arrivingApi } from '../../src/api/arriving-api.ts';
import { depotApi } from '../../src/api/depot-api.ts';
import { sledAgentApi } from '../../src/api/sled-agent-api.ts';
import type { DeletionRules } from '../../src/core/deletion.ts';
import type { SledId } from '../../src/core/ids.ts';
import { SledId as SledIdSchema } from '../../src/core/ids.ts';
import type { Rng } from '../../src/core/rng.ts';
import type { PeerKind } from '../../src/identity/peer-identity.ts';
import type { Services } from '../../src/nexus/process/services.ts';
import type { MemoryDatabase } from '../datastore/memory-database.ts';
import { createMemoryDatabase } from '../datastore/memory-database.ts';
import { type Admin, createAdmin } from '../identity/admin.ts';
import type { HearingWatch, IdentityBox, Member } from '../identity/member.ts';
import { FLEET, issuePassport } from '../identity/passport.ts';
import { createVolume } from '../machine/volume.ts';
import { admitted } from '../network/admitted.ts';
import { createNetwork, type Network } from '../network/network.ts';
import { EPOCH_MS } from '../time/process.ts';
import { createScheduler, type Scheduler } from '../time/scheduler.ts';
import { createStreams, idFrom, type Streams } from '../time/streams.ts';
import type { Trace } from '../trace.ts';
import type { Fail } from '../violation.ts';
import { type DatabaseWeather, databaseFate, FAIR_DATABASE } from './database-weather.ts';
import { type DiskWeather, diskWatcher, FAIR_DISKS, type NameWatch } from './disk-weather.ts';
import { createMachine, type Machine } from './machine.ts';
import { bootNexus, type NexusPlan, STAGING } from './nexus-machine.ts';
import { type AgentVersion, asOlderAgent, drawAgent } from './older-agent.ts';
import { createProcessLog, type LogWatch } from './process-log.ts';
import type { ReleaseShelf } from './releases.ts';
import { bootSled, type RunningSled, type SledPlan } from './sled-machine.ts';

export type SimSled = {
  readonly plan: SledPlan;
  readonly machine: Machine<RunningSled>;
  /** The operator's policy; a sled whose machine was replaced is gone. */
  standing: 'in_service' | 'expunged' | 'gone';
  isLying: boolean;
  agent: AgentVersion;
  /** Whether it was in doubt when it was offered its last config: then it has named no config. */
  isInDoubt: boolean;
  /** The Nexuses that its configuration named when its process started. */
  named: readonly SimNexus[];
  /** For each point that it asked about, whether the last answer that reached it called the point known. */
  readonly verdicts: Map<string, boolean>;
};

export type SimNexus = {
  readonly machine: Machine<Services>;
  /** `taken`: an intruder answers in its place. */
  standing: 'in_service' | 'expunged' | 'taken';
};

export type World = {
  readonly streams: Streams;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly database: MemoryDatabase;
  readonly databaseWeather: DatabaseWeather;
  readonly diskWeather: DiskWeather;
  readonly shelf: ReleaseShelf;
  readonly admin: Admin;
  readonly trace: Trace;
  readonly minSledReplication: number;
  readonly nexusPlan: NexusPlan;
  readonly sleds: SimSled[];
  readonly nexuses: SimNexus[];
  /** Whether Nexuses send no lineage, as the original and older releases of this product do. */
  isNexusOlder: boolean;
  /** Whether they are, or were until a moment ago: requests without lineage may still be in flight. */
  readonly wasNexusOlder: () => boolean;
  olderUntilMs: number;
  /** Requests that move an artifact, so far. */
  readonly transfers: { count: number };
  readonly addSled: (plan: { datasets: number; id?: SledId; box?: IdentityBox }) => SimSled;
  readonly addNexus: () => SimNexus;
};

/** Receives what happens in the world while it happens: the witness of a run. */
export type WorldWatch = NameWatch &
  HearingWatch & {
    readonly logWatch: LogWatch;
    readonly fail: Fail;
    readonly onSledStart: (sled: SimSled) => void;
    /** Wraps a sled that has started: its answers are checked, and falsified if the run makes the sled lie. */
    readonly watchSled: (sled: SimSled, running: RunningSled) => RunningSled;
  };

export type WorldOptions = {
  readonly seed: number;
  readonly trace: (nowMs: () => number) => Trace;
  readonly shelf: ReleaseShelf;
  readonly nexusPlan: NexusPlan;
  /** Of one dataset. */
  readonly quotaBytes: number;
  readonly scrubPeriodMs: number;
  readonly deletion: DeletionRules;
  /** Of a sled agent that does not compare points. */
  readonly olderAgentProbability: number;
  readonly isNexusOlder: boolean;
  /** Whether machines pin an admin key when they join. */
  readonly hasAdminKey: boolean;
  readonly watch: (world: World) => WorldWatch;
};

const SLOWEST_REQUEST_MS = 3 * 60_000;

export const createWorld = (options: WorldOptions): World => {
  const streams = createStreams(options.seed);
  const scheduler = createScheduler();
  const trace = options.trace(scheduler.nowMs);
  const sleds: SimSled[] = [];
  const nexuses: SimNexus[] = [];
  const ids = streams('ids');
  const versions = streams('versions');
  const statements = streams('statements');
  const admin = createAdmin({
    hasKey: options.hasAdminKey,
    newId: () => idFrom(statements),
    timeMs: () => EPOCH_MS + scheduler.nowMs(),
  });
  const world: World = {
    streams,
    scheduler,
    network: createNetwork(scheduler, streams('network'), () => trace.reached('a message was duplicated')),
    database: createMemoryDatabase({ nowMs: () => Math.floor(EPOCH_MS + scheduler.nowMs()) }),
    databaseWeather: { ...FAIR_DATABASE },
    diskWeather: { ...FAIR_DISKS },
    shelf: options.shelf,
    admin,
    trace,
    minSledReplication: options.nexusPlan.minSledReplication,
    nexusPlan: options.nexusPlan,
    isNexusOlder: options.isNexusOlder,
    olderUntilMs: Number.NEGATIVE_INFINITY,
    wasNexusOlder: () => world.isNexusOlder || scheduler.nowMs() - world.olderUntilMs < SLOWEST_REQUEST_MS,
    sleds,
    nexuses,
    transfers: { count: 0 },
    addSled({ datasets, id, box }) {
      const agent = drawAgent(versions, options.olderAgentProbability);
      const sled = createSled(site, agent, {
        id: id ?? SledIdSchema.parse(idFrom(ids)),
        serial: `sled-${sleds.length + 1}`,
        datasets: Array.from({ length: datasets }, (_, at) => `/m2-${at}`),
        quotaBytes: options.quotaBytes,
        scrubPeriodMs: options.scrubPeriodMs,
        deletion: options.deletion,
      });
      if (box !== undefined) Object.assign(sled.machine.box, box);
      sleds.push(sled);
      sled.machine.start();
      return sled;
    },
    addNexus() {
      const nexus = createNexus(site, `nexus-${nexuses.length + 1}`);
      nexuses.push(nexus);
      nexus.machine.start();
      return nexus;
    },
  };
  const site: Site = { world, watch: options.watch(world), diskRng: streams('disks') };
  return world;
};

/**
 * The operator issues a certificate, on the machine with the key of the authority: for a new key, and after every revocation of the
 * name that any process knows.
 */
export const newBox = (
  world: Pick<World, 'scheduler' | 'shelf' | 'nexusPlan' | 'database' | 'sleds' | 'nexuses' | 'admin'>,
  { kind, id, name }: { readonly kind: PeerKind; readonly id: string; readonly name: string },
): IdentityBox => {
  const { scheduler, shelf, nexusPlan, database, sleds, nexuses, admin } = world;
  const key = shelf.keys(name);
  const known = [...sleds, ...nexuses].flatMap(({ machine }) => machine.box.revoked);
  const said = [...database.snapshot().revocations.values(), ...known].filter(
    each => each.kind === kind && each.id === id,
  );
  const passport = issuePassport({ fleet: FLEET, kind, id }, key.publicKey, {
    fromMs: EPOCH_MS + scheduler.nowMs(),
    lifeMs: nexusPlan.certificateLifeMs,
    revokedMs: said.length === 0 ? undefined : Math.max(...said.map(({ timeMs }) => timeMs)),
  });
  return { passport, key, revoked: [], adminKeys: admin.pinned, statements: [] };
};

/** The surroundings of a machine. */
type Site = { readonly world: World; readonly watch: WorldWatch; readonly diskRng: Rng };

const createSled = ({ world, watch, diskRng }: Site, agent: AgentVersion, plan: SledPlan): SimSled => {
  const { scheduler, network, streams, sleds, nexuses } = world;
  const { serial } = plan;
  const rng = streams(serial);
  const log = createProcessLog(serial, watch.logWatch);
  const findSled = (host: string) => sleds.find(({ machine }) => machine.name === host)?.machine;
  const machine: Machine<RunningSled> = createMachine({
    name: serial,
    box: newBox(world, { kind: 'sled', id: plan.id, name: serial }),
    hearing: watch,
    scheduler,
    volumes: plan.datasets.map(createVolume),
    watcher: () => diskWatcher({ weather: world.diskWeather, rng: diskRng, machine: () => machine, watch }),
    boot: host => {
      watch.onSledStart(sled);
      sled.named = [...nexuses];
      const others = { network, findSled, nexuses: () => nexuses.map(nexus => nexus.machine) };
      const { agent: version } = sled;
      const speaks = {
        sled: () => version === 'current',
        nexus: () => !world.isNexusOlder,
        heard: (verdicts: string) => hear(sled, verdicts),
      };
      const { certificateLifeMs } = world.nexusPlan;
      const releases = world.shelf;
      return bootSled(plan, { ...others, certificateLifeMs, rng, log, speaks, releases }, host).then(
        running => behindAdmission(watch.watchSled(sled, asOlderAgent(version, running)), host.member),
      );
    },
    onBootFailure: error => log.error({ err: error }, 'sled agent did not start'),
  });
  const sled: SimSled = {
    plan,
    machine,
    standing: 'in_service',
    isLying: false,
    agent,
    named: [],
    isInDoubt: false,
    verdicts: new Map(),
  };
  return sled;
};

const behindAdmission = (running: RunningSled, member: Member): RunningSled => ({
  ...running,
  agent: admitted(sledAgentApi, running.agent, member),
  depot: admitted(depotApi, running.depot, member),
  arriving: admitted(arrivingApi, running.arriving, member),
});

const hear = ({ verdicts }: SimSled, text: string): void => {
  for (const each of text.split(',')) {
    const [point = '', verdict] = each.split('=');
    verdicts.set(point, verdict === 'known');
  }
};

const createNexus = ({ world, watch, diskRng }: Site, name: string): SimNexus => {
  const { scheduler, network, streams, sleds, database, databaseWeather, shelf, trace, transfers } = world;
  const rng = streams(name);
  const log = createProcessLog(name, watch.logWatch);
  const findSled = (host: string) => sleds.find(({ machine }) => machine.name === host)?.machine;
  const onTransfer = () => {
    transfers.count += 1;
  };
  const machine: Machine<Services> = createMachine({
    name,
    box: newBox(world, { kind: 'nexus', id: idFrom(streams(`${name} identity`)), name }),
    hearing: watch,
    scheduler,
    volumes: [createVolume(STAGING)],
    watcher: () => diskWatcher({ weather: world.diskWeather, rng: diskRng, machine: () => machine, watch }),
    boot: host => {
      const attempts = databaseFate(databaseWeather, streams(`${name} database`), trace);
      return bootNexus(
        {
          plan: world.nexusPlan,
          speaksOfLineage: () => !world.isNexusOlder,
          sinceBeginningMs: scheduler.nowMs,
          database,
          attempts,
          network,
          findSled,
          shelf,
          rng,
          log,
          onTransfer,
          fail: watch.fail,
        },
        host,
      );
    },
    onBootFailure: error => log.error({ err: error }, 'Nexus did not start'),
  });
  return { machine, standing: 'in_service' };
};
