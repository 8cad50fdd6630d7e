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
import { type Heard, type IdentityBox, type Member, openMember } from '../identity/member.ts';
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
  readonly onHeard: (heard: Heard) => void;
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

export const createMachine = <E>(deps: Deps<E>): Machine<E> => {
  const { name, box, scheduler } = deps;
  const volumes = new Map(deps.volumes.map(volume => [volume.path, volume]));
  let process: SimProcess | undefined;
  let member: Member | undefined;
  let endpoint: E | undefined;
  let isRetired = false;

  const lockDirectory = directoryLocks(volumes);

  /** A new process, alone on the machine. */
  const begin = (): Host => {
    machine.kill();
    const own = createProcess(name, scheduler, () => machine.wallOffsetMs);
    process = own;
    const ownMember = openMember(box, own, deps.onHeard);
    member = ownMember;
    const disk = createDisk({ process: own, volumes, watcher: deps.watcher() });
    const lock = (path: string) => lockDirectory(own, path);
    return { name, box, process: own, member: ownMember, disk, lockDirectory: lock };
  };

  const machine: Machine<E> = {
    name,
    box,
    volumes,
    wallOffsetMs: 0,
    operationsLeft: undefined,
    onLastOperation: () => machine.kill(),
    process: () => process,
    isUp: () => process !== undefined,
    serving: () =>
      process === undefined || member === undefined || endpoint === undefined
        ? undefined
        : { process, member, endpoint },
    start() {
      if (process !== undefined || isRetired) return;
      forgetFaults([...volumes.values()]);
      const host = begin();
      const own = host.process;
      deps.boot(host).then(
        booted => {
          if (own.state() !== 'ended') endpoint = booted;
        },
        error => {
          if (own.state() === 'ended') return;
          deps.onBootFailure(error);
          machine.kill();
          scheduler.after(RESTART_MS, machine.start);
        },
      );
    },
    kill() {
      process?.kill();
      process = undefined;
      endpoint = undefined;
    },
    powerCut(rng) {
      machine.kill();
      for (const volume of volumes.values()) {
        volume.session += 1;
        volume.medium.powerCut(rng);
      }
    },
    takeOver(other) {
      const host = begin();
      endpoint = other;
      return host.process;
    },
    maintain(work) {
      if (isRetired) return;
      const host = begin();
      const restart = () => {
        if (process !== host.process) return;
        machine.kill();
        machine.start();
      };
      work(host).then(restart, error => {
        deps.onBootFailure(error);
        restart();
      });
    },
    retire() {
      isRetired = true;
      machine.kill();
    },
  };
  return machine;
};
