/** What receives artifacts: writes, the prefix digests that they compare, and who reads what is verified before they end. */
import type { ArtifactHash } from '../../../core/ids.ts';
import type { ArtifactStore } from '../store.ts';
import { createArrivals } from './arrivals.ts';
import { createToldPrefixes } from './told-prefixes.ts';
import { createWriters, type WriterDependencies } from './writer.ts';

export type Receiving = AsyncDisposable &
  Pick<ArtifactStore, 'beginWrite' | 'tellPrefixes' | 'openArriving'> & {
    /** The config has changed. */
    readonly settle: () => void;
  };

/** Disposing aborts the writes in flight. */
export const createReceiving = (deps: Omit<WriterDependencies, 'prefixes' | 'arrivals'>): Receiving => {
  const { config, withheld } = deps;
  const prefixes = createToldPrefixes(config);
  const isServed = (sha256: ArtifactHash) =>
    config()?.artifacts.has(sha256) === true && withheld(sha256) === undefined;
  const arrivals = createArrivals({ ...deps, isServed, isExpected: prefixes.knows });
  const writers = createWriters({ ...deps, prefixes, arrivals });
  return {
    beginWrite: writers.begin,
    tellPrefixes: prefixes.tell,
    openArriving: arrivals.open,
    settle() {
      prefixes.settle();
      arrivals.settle();
    },
    [Symbol.asyncDispose]: () => writers[Symbol.asyncDispose](),
  };
};
