/**
 * A machine: volumes that outlive its processes, one process at a time, and a service manager that restarts it.
 *
 *     start ─▶ boot (asynchronous, may fail or be killed) ─▶ serving ─▶ kill | power cut ─▶ start again, after a while
 *
 * MC1. A machine answers only while a process of it has booted and has not ended.
 * MC2. A boot that fails is retried.
 * MC3. Its identity lies beside the volumes, and outlives them.
 */
import type { Rng } from '../../src/core/rng.ts';
import type { Disk } from '../../src/lib/disk.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { ExclusiveLock } from '../../src/lib/exclusive-lock.ts';
import { type HearingWatch, type IdentityBox, type Member, openMember } from '../identity/member.ts';
import { createDisk, type DiskWatcher } from '../machine/disk.ts';
import { requireUsable, systemError, type Volume } from '../machine/volume.ts';
import type { Callee } from '../network/call.ts';
import { createProcess, type SimProcess } from '../time/process.ts';
import type { Scheduler } from '../time/scheduler.ts';

export type Host = {
  readonly name: string;
  readonly box: IdentityBox;
  readonly member: Member;
  readonly process: SimProcess;
  readonly disk: Disk;
  readonly lockDirectory: (path: string) => Promise<ExclusiveLock>;
};

export type Machine<E> = Callee<E> & {
  readonly box: IdentityBox;
  readonly volumes: ReadonlyMap<string, Volume>;
  /** Undefined while the machine is down. */
  readonly process: () => SimProcess | undefined;
  readonly isUp: () => boolean;
  readonly start: () => void;
  /** Ends the process; its writes stay in the operating system, synced or not. */
  readonly kill: () => void;
  /** Ends the process, and the disks lose unsynced writes. */
  readonly powerCut: (rng: Rng) => void;
  /** Another program answers in the place of the service until it is killed; with the certificate of the machine. */
  takeOver(endpoint: E): SimProcess;
  /** The service is stopped while a person runs a command on the machine, and starts again after it. */
  readonly maintain: (work: (host: Host) => Promise<void>) => void;
  /** Ends the process; the machine never starts again. */
  readonly retire: () => void;
  wallOffsetMs: number;
  /** How many disk operations its process has left before {@link onLastOperation}; undefined without a limit. */
  operationsLeft: number | undefined;
  onLastOperation: () => void;
};

/** A process that starts with every disk mounted reads them all, and makes durable what it has read. */
const forgetFaults = (volumes: readonly Volume[]): void => {
  if (volumes.some(({ state }) => state !== 'ok')) return;
  for (const volume of volumes) {
    volume.wasUnmounted = false;
    volume.wasReadOnly = false;
  }
};

const RESTART_MS = 2_000;

type Deps<E> = {
  readonly name: string;
  readonly box: IdentityBox;
  readonly hearing: HearingWatch;
  readonly scheduler: Scheduler;
  readonly volumes: readonly Volume[];
  readonly watcher: () => DiskWatcher;
  readonly boot: (host: Host) => Promise<E>;
  readonly onBootFailure: (error: unknown) => void;
};

const directoryLocks = (volumes: ReadonlyMap<string, Volume>) => {
  const owners = new Map<string, SimProcess>();
  return async (owner: SimProcess, path: string): Promise<ExclusiveLock> => {
    const volume = volumes.get(path);
    if (volume === undefined) throw systemError('ENOENT', path);
    requireUsable(volume, path, true);
    const other = owners.get(path);
    if (other !== undefined && other.state() !== 'ended')
      throw new DepotError('IN_USE_BY_PROCESS', `${path} is in use by ${other.name}`);
    owners.set(path, owner);
    return {
      async [Symbol.asyncDispose]() {
        if (owners.get(path) === owner) owners.delete(path);
      },
    };
  };
};

const loseUnsynced = (volumes: readonly Volume[], rng: Rng): void => {
  for (const volume of volumes) {
    volume.session += 1;
    volume.medium.powerCut(rng);
  }
};

/** After a command, unless something else has begun since. */
const restart = ({ process, kill, start }: Machine<unknown>, { process: own }: Host): void => {
  if (process() !== own) return;
  kill();
  start();
};

/** A new process on the machine each time. */
const createHosts = <E>(
  { name, box, scheduler, hearing, watcher }: Deps<E>,
  volumes: ReadonlyMap<string, Volume>,
  wallOffsetMs: () => number,
): (() => Host) => {
  const lockDirectory = directoryLocks(volumes);
  return () => {
    const process = createProcess(name, scheduler, wallOffsetMs);
    return {
      name,
      box,
      process,
      member: openMember(box, process, hearing),
      disk: createDisk({ process, volumes, watcher: watcher() }),
      lockDirectory: path => lockDirectory(process, path),
    };
  };
};

export const createMachine = <E>(deps: Deps<E>): Machine<E> => {
  const { name, box, scheduler } = deps;
  const volumes = new Map(deps.volumes.map(volume => [volume.path, volume]));
  const newHost = createHosts(deps, volumes, () => machine.wallOffsetMs);
  let host: Host | undefined;
  let endpoint: E | undefined;
  let isRetired = false;
  /** Whatever ran before has ended. */
  const begin = (): Host => {
    machine.kill();
    host = newHost();
    return host;
  };

  const machine: Machine<E> = {
    name,
    box,
    volumes,
    wallOffsetMs: 0,
    operationsLeft: undefined,
    onLastOperation: () => machine.kill(),
    process: () => host?.process,
    isUp: () => host !== undefined,
    serving: () =>
      host === undefined || endpoint === undefined
        ? undefined
        : { process: host.process, member: host.member, endpoint },
    start() {
      if (host !== undefined || isRetired) return;
      forgetFaults([...volumes.values()]);
      const own = begin();
      deps.boot(own).then(
        booted => {
          if (own === host) endpoint = booted;
        },
        error => {
          if (own !== host) return;
          deps.onBootFailure(error);
          machine.kill();
          scheduler.after(RESTART_MS, machine.start);
        },
      );
    },
    kill() {
      host?.process.kill();
      host = undefined;
      endpoint = undefined;
    },
    powerCut(rng) {
      machine.kill();
      loseUnsynced([...volumes.values()], rng);
    },
    takeOver(other) {
      const { process } = begin();
      endpoint = other;
      return process;
    },
    maintain(work) {
      if (isRetired) return;
      const own = begin();
      void work(own)
        .catch(deps.onBootFailure)
        .then(() => restart(machine, own));
    },
    retire() {
      isRetired = true;
      machine.kill();
    },
  };
  return machine;
};
