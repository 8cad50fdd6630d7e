/**
 * What each process takes over time, from /proc, and whether that is flat.
 *
 * A leak shows as growth with the age of a process, and a process that is killed again and again is always young. So
 * flatness is judged for processes that the soak spares; the others are recorded.
 */
import { readdir, readFile } from 'node:fs/promises';

export type Usage = { readonly residentBytes: number; readonly handles: number };

/** Undefined when there is no such process any more. */
export const usageOf = async (pid: number): Promise<Usage | undefined> => {
  try {
    const [status, handles] = await Promise.all([
      readFile(`/proc/${pid}/status`, 'utf8'),
      readdir(`/proc/${pid}/fd`),
    ]);
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kib === undefined ? undefined : { residentBytes: Number(kib) * 1024, handles: handles.length };
  } catch {
    return undefined;
  }
};

/** The start: caches fill, code is compiled, the heap finds its size. */
const WARM_UP = 0.25;
const MIB = 1024 ** 2;
/** The last third may be above the first by this much: a heap of V8 breathes, and a pool opens connections. */
const TOLERANCE = { residentFactor: 1.25, residentBytes: 24 * MIB, handles: 24 } as const;
/** Fewer samples in a third say nothing. */
const LEAST_SAMPLES = 3;

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

export type Growth = { readonly first: Usage; readonly last: Usage; readonly isFlat: boolean };

/** Medians of the first and of the last third after the warm-up; undefined with too few samples. */
export const growthOf = (samples: readonly Usage[]): Growth | undefined => {
  const warm = samples.slice(Math.ceil(samples.length * WARM_UP));
  const third = Math.floor(warm.length / 3);
  if (third < LEAST_SAMPLES) return undefined;
  const medians = (part: readonly Usage[]): Usage => ({
    residentBytes: median(part.map(each => each.residentBytes)),
    handles: median(part.map(each => each.handles)),
  });
  const first = medians(warm.slice(0, third));
  const last = medians(warm.slice(-third));
  const isFlat =
    last.residentBytes <= first.residentBytes * TOLERANCE.residentFactor + TOLERANCE.residentBytes &&
    last.handles <= first.handles + TOLERANCE.handles;
  return { first, last, isFlat };
};

export const usageText = ({ residentBytes, handles }: Usage): string =>
  `${Math.round(residentBytes / MIB)} MiB and ${handles} handles`;
