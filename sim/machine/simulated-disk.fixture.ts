/** A simulated disk without faults, with its process and volumes for tests that add some. */
import type { Disk } from '../../src/lib/disk.ts';
import { createProcess, type SimProcess } from '../time/process.ts';
import { createScheduler } from '../time/scheduler.ts';
import { createDisk, type DiskWatcher, type OperationFate } from './disk.ts';
import { createVolume, type Volume } from './volume.ts';

const AT_ONCE: OperationFate = { latencyMs: 0, isEffectFirst: false, error: undefined };

export type SimulatedDisk = {
  readonly disk: Disk;
  readonly process: SimProcess;
  readonly volumes: ReadonlyMap<string, Volume>;
};

/** @param paths of the volumes, each a name below `/` */
export const createSimulatedDisk = (
  paths: readonly string[],
  decide: DiskWatcher['decide'] = () => AT_ONCE,
): SimulatedDisk => {
  const process = createProcess('test', createScheduler());
  const volumes = new Map(paths.map(path => [path, createVolume(path)]));
  const watcher: DiskWatcher = { decide, onNameChange: () => undefined };
  return { disk: createDisk({ process, volumes, watcher }), process, volumes };
};
