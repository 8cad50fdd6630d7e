/**
 * A fleet of real processes for the end-to-end tests: Nexus instances and sled agents on one test database.
 *
 * The tests see what an operator sees: the APIs, and the files on the sleds' disks.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestFleetIdentity, testFleetIdentity } from '../src/identity/identity.fixture.ts';
import type { TestDatabase } from '../src/nexus/datastore/database.fixture.ts';
import {
  approveSled,
  type MemberOptions,
  makeNexus,
  makeSled,
  type TestNexus,
  type TestSled,
  TOKEN,
} from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';

export type TestFleet = {
  readonly directory: string;
  readonly database: Pick<TestDatabase, 'connection' | 'query'>;
  readonly nexuses: readonly TestNexus[];
  readonly sleds: readonly TestSled[];
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

type FleetOptions = MemberOptions & {
  readonly nexuses?: number;
  readonly sleds: number;
  /** By default one of its own, in the run's server. */
  readonly database?: Pick<TestDatabase, 'connection' | 'query'>;
  /** Of all processes; by default one of its own. */
  readonly identity?: TestFleetIdentity;
};

export const startTestFleet = async (given: FleetOptions): Promise<TestFleet> => {
  const identity = given.identity ?? testFleetIdentity();
  const options = { ...given, identity };
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-e2e-'));
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  const database = options.database ?? undo.use(await createDatabase());
  await writeFile(join(directory, 'token'), `${TOKEN}\n`, { mode: 0o600 });

  const nexuses: ReturnType<typeof makeNexus>[] = [];
  for (let n = 1; n <= (options.nexuses ?? 1); n += 1) {
    const nexus = makeNexus(directory, n, database.connection, options);
    undo.defer(nexus.stop);
    await nexus.start();
    nexuses.push(nexus);
  }
  const internal = nexuses.map(nexus => nexus.internalAddress());
  const sleds = Array.from({ length: options.sleds }, (_, n) =>
    makeSled(directory, n + 1, internal, options),
  );
  for (const sled of sleds) undo.defer(sled.stop);
  if (options.transport === 'plain')
    for (const n of sleds.keys()) await approveSled(nexuses[0]!, n + 1, options.sled?.(n + 1).address);
  await Promise.all(sleds.map(sled => sled.start()));
  const owned = undo.move();
  const fleet = { directory, database, nexuses, sleds, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  await until(
    async () => (await nexuses[0]!.fleet.sledList({ query: {} }, wait)).items.length === sleds.length,
  );
  return fleet;
};

/** Loaded only when needed: it belongs to vitest, and the soak runs without vitest. */
const createDatabase = async () =>
  (await import('../src/nexus/datastore/database.fixture.ts')).createTestDatabase();
