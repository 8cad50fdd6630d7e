/** For tests: a Nexus that records releases through a proxy before the database, and uses the database directly otherwise. */
import { seededRng } from '../../../core/rng.ts';
import { systemClock } from '../../../lib/clock.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { TestRelease } from '../../../signing/release.fixture.ts';
import { type CuttingProxy, createCuttingProxy } from '../../datastore/cutting-proxy.fixture.ts';
import { createPgDatastore } from '../../datastore/pg-datastore.ts';
import type { NexusDeps } from '../../process/app.ts';
import type { NexusConfigFile } from '../../process/config.ts';
import type { TestNexus, TestWorld } from '../../process/nexus.fixture.ts';

export type RecordingProxy = { readonly nexus: TestNexus; readonly proxy: CuttingProxy };

export const startBehindProxy = async (
  world: TestWorld,
  release: TestRelease,
  options: { readonly config?: Partial<NexusConfigFile>; readonly replace?: NexusDeps['replace'] } = {},
): Promise<RecordingProxy> => {
  const proxy = await createCuttingProxy(world.database.connection);
  const direct = await world.database.openDatastore();
  const proxied = await createPgDatastore({
    connection: proxy.connection,
    log: silentLogger,
    clock: systemClock,
    rng: seededRng(7),
    signal: new AbortController().signal,
  });
  const openDatastore = async () => ({
    ...direct,
    releaseInsert: proxied.releaseInsert,
    [Symbol.asyncDispose]: () => proxied[Symbol.asyncDispose](),
  });
  const nexus = await world.startNexus({ ...options, replace: { openDatastore, ...options.replace } });
  await nexus.trust(release);
  return { nexus, proxy };
};
