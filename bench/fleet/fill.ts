/**
 * A release to every sled by tuf-depot: a Nexus and sled agents as real processes with identities and TLS, the sleds in the
 * namespaces of a network.
 *
 *     start ─▶ upload over loopback ─▶ its 200: the time begins ─▶ … ─▶ "complete" in the status: the time ends
 *
 * The traffic of all cables is sampled meanwhile.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestNexus } from '../../test/fleet-members.fixture.ts';
import type { Toml } from '../../test/fleet-process.fixture.ts';
import type { TestNetwork } from '../../test/network.fixture.ts';
import { startTestFleet } from '../../test/process-fleet.fixture.ts';
import type { SoakDatabase } from '../../test/soak/soak-database.ts';
import type { FleetRelease } from './release.ts';

const AGENT_PORT = 12345;
const DEPOT_PORT = 12348;
const STATUS_POLL_MS = 100;
const DISK_POLL_MS = 100;
const SAMPLE_MS = 1_000;
const HASH = /^[0-9a-f]{64}$/;

/** Of one moment, in seconds since the upload's 200, and bytes since the upload began. */
export type Sample = {
  readonly seconds: number;
  readonly originBytes: number;
  readonly sledBytes: readonly number[];
};

export type Filled = {
  readonly seconds: number;
  /** Until the last artifact had its name on the last disk. */
  readonly storedSeconds: number;
  readonly samples: readonly Sample[];
};

type Options = {
  readonly database: SoakDatabase;
  readonly release: FleetRelease;
  /** Of `tuf_artifact_replication`. */
  readonly replication: Toml;
  /** Below it each sled has its dataset. */
  readonly directory: string;
};

const startFleet = (network: TestNetwork, { database, replication, directory }: Options) =>
  startTestFleet({
    ...{ database, replication, sleds: network.peers.length },
    minSledReplication: Math.min(3, network.peers.length),
    nexusConfig: { internal_listen: `${network.address}:0` },
    sled(n) {
      const { address, within } = network.peers[n - 1]!;
      const listen = { listen: `${address}:${AGENT_PORT}`, depot_listen: `${address}:${DEPOT_PORT}` };
      // Those of a fleet in production.
      const intervals = { registration_s: 60, deletion_wait_s: 600 };
      return { within, config: { ...listen, intervals }, datasets: [datasetOf(directory, n)] };
    },
  });

const datasetOf = (directory: string, n: number) => join(directory, `sled-${n}`);

const untilComplete = async (nexus: TestNexus, version: string, signal: AbortSignal): Promise<void> => {
  for (;;) {
    const { complete } = await nexus.fleet.releaseReplication(
      { params: { system_version: version } },
      { signal },
    );
    if (complete) return;
    await delay(STATUS_POLL_MS, undefined, { signal });
  }
};

const untilStored = async (
  folders: readonly string[],
  artifacts: number,
  signal: AbortSignal,
): Promise<void> => {
  for (;;) {
    const names = await Promise.all(folders.map(folder => readdir(folder)));
    if (names.every(all => all.filter(name => HASH.test(name)).length >= artifacts)) return;
    await delay(DISK_POLL_MS, undefined, { signal });
  }
};

export const fillByTufDepot = async (
  network: TestNetwork,
  options: Options,
  signal: AbortSignal,
): Promise<Filled> => {
  const { release, directory } = options;
  await using fleet = await startFleet(network, options);
  const nexus = fleet.nexuses[0]!;
  await nexus.trust(release);

  const before = await network.traffic();
  await nexus.upload(release);
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const samples: Sample[] = [];
  const sample = async () => {
    const at = seconds();
    const { own, peers } = await network.traffic();
    samples.push({
      seconds: at,
      originBytes: own.sentBytes - before.own.sentBytes,
      sledBytes: peers.map(({ sentBytes }, n) => sentBytes - before.peers[n]!.sentBytes),
    });
  };
  const over = new AbortController();
  const sampled = (async () => {
    for (; !over.signal.aborted; await delay(SAMPLE_MS, undefined, { signal: over.signal }).catch(() => {}))
      await sample();
  })();
  const folders = network.peers.map((_, n) => datasetOf(directory, n + 1));
  try {
    const [took, storedSeconds] = await Promise.all([
      untilComplete(nexus, release.systemVersion, signal).then(seconds),
      untilStored(folders, release.artifacts, signal).then(seconds),
    ]);
    over.abort();
    await sampled;
    await sample();
    return { seconds: took, storedSeconds, samples };
  } finally {
    over.abort();
  }
};
