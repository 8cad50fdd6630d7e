/**
 * A real network between sleds, and what may happen to it: each sled is in a network namespace of its own.
 *
 * Where that cannot be had the tests are skipped, and a line says what is missing. They wait far more than they
 * work, so they run at the same time, each with a fleet and a network of its own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import type { TestNexus, TestSled } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, replicationDetails, waitComplete } from './fleet-state.fixture.ts';
import {
  createTestNetwork,
  missingForNetworks,
  missingForShaping,
  type NetworkPeer,
  type TestNetwork,
} from './network.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';
import { isNamed, nothingIsSaidOf } from './sled-status.fixture.ts';

/** The last one is the affected one. */
const SLEDS = 3;
const AGENT_PORT = 12345;
const DEPOT_PORT = 12348;
/** Several waits of the product one after another: for an answer, a back-off, a registration. */
const TIMEOUT_MS = 240_000;

const missing = await missingForNetworks();
const skipped = (why: string | undefined, what: string): boolean => {
  if (why !== undefined) process.stderr.write(`skipped: ${what}: ${why}\n`);
  return why !== undefined;
};
const noNetworks = skipped(missing, 'tests of real networks (test/network.test.ts)');
const lossy = 'netem loss 10% delay 20ms 10ms';
const noLoss =
  noNetworks || skipped(await missingForShaping(lossy), 'a network that loses packets at random');
/** Faster than the deadline on progress (64 KiB in 10 s) by far, and slower than any network of a fleet. */
const slow = 'tbf rate 1mbit burst 4kb limit 8kb';
/** Enough for a list beside registrations, and for two thirds of what that deadline asks for. */
const tooSlow = 'tbf rate 32kbit burst 4kb limit 16kb';
const noQueues = noNetworks || skipped(await missingForShaping(slow), 'a network that is slow');

let directory: string;
let release: TestRelease;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-network-'));
  release = await makeTestRelease(directory, {
    systemVersion: '1.0.0',
    artifacts: [300_000, 200_000, 150_000, 100_000, 50_000, 1],
  });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Sleds listen on the addresses of their namespaces, at the usual ports. */
const startFleetIn = (network: TestNetwork): Promise<TestFleet> =>
  startTestFleet({
    sleds: network.peers.length,
    // A handshake takes longer than any answer at the rates of these tests.
    transport: 'plain',
    minSledReplication: SLEDS - 1,
    nexusConfig: { plain_listen: `${network.address}:0` },
    sled(n) {
      const { address, within } = network.peers[n - 1]!;
      const listen = { listen: `${address}:${AGENT_PORT}`, depot_listen: `${address}:${DEPOT_PORT}` };
      const intervals = { registration_s: 1, stall_s: 3 };
      return { within, address, config: { ...listen, intervals } };
    },
  });

const isFilled = async (sled: TestSled): Promise<boolean> => {
  for (const dataset of sled.datasets)
    if ((await artifactsOnDisk(dataset)).length < hashesOf(release).length) return false;
  return true;
};

/** The others converge, and they are enough for a drop of the archive. */
const othersConverge = async (fleet: TestFleet, affected: TestSled): Promise<void> => {
  for (const sled of fleet.sleds)
    if (sled !== affected) await until(() => isFilled(sled), `${sled.serial} is filled`);
  await until(
    async () => (await replicationDetails(fleet.nexuses[0]!)).local_repos === 0,
    'the others are enough to be safe',
  );
};

const catchesUp = async (fleet: TestFleet, affected: TestSled): Promise<void> => {
  await waitComplete(fleet.nexuses[0]!, release.systemVersion);
  expect(await isFilled(affected)).toBe(true);
  await nothingIsSaidOf(fleet.nexuses[0]!, affected);
};

type Situation = {
  readonly network: TestNetwork;
  readonly fleet: TestFleet;
  readonly nexus: TestNexus;
  readonly affected: TestSled;
  /** The affected sled's place in the network. */
  readonly peer: NetworkPeer;
};

/** A fleet in a network of its own, which trusts who signs. */
const inNetwork = (body: (situation: Situation) => Promise<void>) => async () => {
  await using network = await createTestNetwork(SLEDS);
  await using fleet = await startFleetIn(network);
  const nexus = fleet.nexuses[0]!;
  await nexus.trust(release);
  await body({ network, fleet, nexus, affected: fleet.sleds.at(-1)!, peer: network.peers.at(-1)! });
};

const MUTE = `
  for (const port of [${AGENT_PORT}, ${DEPOT_PORT}])
    require('node:net').createServer(() => console.log('connection')).listen(port, () => console.log('listens'));
`;

/** Takes the place of a sled agent: it accepts, does not even read, and says nothing. */
const listenAndNeverAnswer = async (
  peer: NetworkPeer,
): Promise<AsyncDisposable & { connections: () => number }> => {
  const [command, ...rest] = [...peer.within, process.execPath, '-e', MUTE];
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let said = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    said += text;
  });
  const times = (word: string) => said.split(word).length - 1;
  await until(async () => times('listens') === 2, 'it listens');
  return {
    connections: () => times('connection'),
    async [Symbol.asyncDispose]() {
      child.kill();
      await exited;
    },
  };
};

describe.concurrent('networks', () => {
  test.skipIf(noNetworks)(
    'a sled whose cable is pulled is named, the others converge, and it catches up when plugged in again (G8)',
    inNetwork(async ({ fleet, nexus, affected, peer }) => {
      await peer.unplug();
      await nexus.upload(release);
      await othersConverge(fleet, affected);
      await isNamed(nexus, affected, /^SLED_UNREACHABLE$/, { error: /cannot reach|did not answer/ });
      expect(await artifactsOnDisk(affected.datasets[0]!)).toEqual([]);
      await peer.plugIn();
      await catchesUp(fleet, affected);
    }),
    TIMEOUT_MS,
  );

  test.skipIf(noNetworks)(
    'a sled that hears Nexus and whose answers are lost is named, the others converge, and it catches up (G8)',
    inNetwork(async ({ network, fleet, nexus, affected, peer }) => {
      await peer.loseWhatItSendsTo(network.address);
      await nexus.upload(release);
      await othersConverge(fleet, affected);
      await isNamed(nexus, affected, /^SLED_UNREACHABLE$/, { error: /cannot reach|did not answer/ });
      await peer.sendAgainTo(network.address);
      await catchesUp(fleet, affected);
    }),
    TIMEOUT_MS,
  );

  test.skipIf(noNetworks)(
    'something that accepts connections in place of a sled and never answers is named; the sled that returns catches up (G8)',
    inNetwork(async ({ fleet, nexus, affected, peer }) => {
      await affected.kill();
      {
        await using mute = await listenAndNeverAnswer(peer);
        await nexus.upload(release);
        await othersConverge(fleet, affected);
        await isNamed(nexus, affected, /^SLED_UNREACHABLE$/, { error: /did not answer/ });
        expect(mute.connections(), 'it was asked').toBeGreaterThan(0);
      }
      await affected.start();
      await catchesUp(fleet, affected);
    }),
    TIMEOUT_MS,
  );

  test.skipIf(noNetworks)(
    'copy sources that a sled cannot hear, while Nexus hears all, are named; the ones that it hears again replace the other (B13, P6)',
    inNetwork(async ({ network, fleet, nexus, affected, peer }) => {
      await affected.stop();
      await nexus.upload(release);
      await othersConverge(fleet, affected);
      const { address } = peer;
      const sources = network.peers.slice(0, SLEDS - 1);
      for (const source of sources) await source.loseWhatItSendsTo(address);
      await affected.start();
      const hosts = sources.map(source => source.address.replaceAll('.', '\\.')).join('|');
      const words = new RegExp(`cannot copy [0-9a-f]{64} from http://(${hosts}):${DEPOT_PORT}`);
      await isNamed(nexus, affected, /^TRANSFER_FAILED$/, { error: words });
      const { reasons } = await nexus.fleet.fleetStatus({}, wait);
      expect(
        reasons.map(({ code }) => code),
        'as is seen from Nexus all sleds are well',
      ).not.toContain('SLED_UNREACHABLE');
      for (const source of sources.slice(1)) await source.sendAgainTo(address);
      await catchesUp(fleet, affected);
    }),
    TIMEOUT_MS,
  );

  test.skipIf(noQueues)(
    'a sled that is all but cut off is named and nobody waits for it; where it is merely slow, and packets are dropped, every byte arrives (B13, G8)',
    inNetwork(async ({ fleet, nexus, affected, peer }) => {
      await peer.shape(tooSlow);
      await nexus.upload(release);
      await othersConverge(fleet, affected);
      // A put that stalls speaks of the sled, a copy that does of the transfer.
      await isNamed(nexus, affected, /^(SLED_UNREACHABLE|TRANSFER_FAILED)$/, {
        error: /less than 65536 bytes in \d+ s/,
      });
      expect(await isFilled(affected)).toBe(false);
      const dropped = await peer.shape(slow);
      await catchesUp(fleet, affected);
      expect(await dropped(), 'packets that the cable lost').toBeGreaterThan(0);
    }),
    TIMEOUT_MS,
  );

  test.skipIf(noLoss)(
    'a network that loses every tenth packet and delays the others delivers every byte (B13)',
    inNetwork(async ({ fleet, nexus, affected, peer }) => {
      const dropped = await peer.shape(lossy);
      await nexus.upload(release);
      await othersConverge(fleet, affected);
      await waitComplete(nexus, release.systemVersion);
      expect(await isFilled(affected)).toBe(true);
      expect(await dropped(), 'packets that the cable lost').toBeGreaterThan(0);
    }),
    TIMEOUT_MS,
  );
});
