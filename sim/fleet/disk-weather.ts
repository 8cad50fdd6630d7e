/** Delays and errors of all disks; may change during a run. `volume.ts` has the faults of single volumes. */
import type { Rng } from '../../src/core/rng.ts';
import type { DiskWatcher, OperationFate, OperationName } from '../machine/disk.ts';
import { chance, spread } from '../time/streams.ts';
import type { Machine } from './machine.ts';

export type DiskWeather = {
  leastMs: number;
  mostMs: number;
  /** Of an operation that takes up to {@link TAIL_MS}, as on a disk that retries internally. */
  tailProbability: number;
  /** Of EIO in an operation that takes time. */
  errorProbability: number;
};

export const FAIR_DISKS: Readonly<DiskWeather> = {
  leastMs: 0.05,
  mostMs: 1,
  tailProbability: 0,
  errorProbability: 0,
};

const TAIL_MS = 10_000;

/** Reads take no time: only the operations that take time change what they see. */
const INSTANT: ReadonlySet<OperationName> = new Set([
  'openFile',
  'readDirectory',
  'sizeOf',
  'freeBytes',
  'read',
  'sizeBytes',
]);

const AT_ONCE: OperationFate = { latencyMs: 0, isEffectFirst: true, error: undefined };

/** Receives each change of a name on a disk. */
export type NameWatch = {
  readonly onNameChange: (
    machine: Machine<unknown>,
    ...change: Parameters<DiskWatcher['onNameChange']>
  ) => void;
};

export const diskWatcher = ({
  weather,
  rng,
  machine,
  watch,
}: {
  readonly weather: Readonly<DiskWeather>;
  readonly rng: Rng;
  readonly machine: () => Machine<unknown>;
  readonly watch: NameWatch;
}): DiskWatcher => ({
  decide({ name }) {
    const dying = machine();
    if (dying.operationsLeft !== undefined) {
      dying.operationsLeft -= 1;
      if (dying.operationsLeft <= 0) {
        dying.operationsLeft = undefined;
        dying.onLastOperation();
        return AT_ONCE;
      }
    }
    if (INSTANT.has(name)) return AT_ONCE;
    const { leastMs, mostMs, tailProbability, errorProbability } = weather;
    const isSlow = tailProbability > 0 && chance(rng, tailProbability);
    return {
      latencyMs: spread(rng, leastMs, isSlow ? TAIL_MS : mostMs),
      isEffectFirst: rng.below(2) === 0,
      error: errorProbability > 0 && chance(rng, errorProbability) ? 'EIO' : undefined,
    };
  },
  onNameChange: (change, place) => watch.onNameChange(machine(), change, place),
});
