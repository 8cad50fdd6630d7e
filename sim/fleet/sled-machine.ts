/** A sled: the product's sled agent without its servers, over simulated disks, clock and network. */
import type { DeletionRules } from '../../src/core/deletion.ts';
import type { SledId } from '../../src/core/ids.ts';
import type { Rng } from '../../src/core/rng.ts';
import { DEFAULT_PROGRESS } from '../../src/http/progress.ts';
import { NO_STATEMENTS } from '../../src/identity/statements.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { Logger } from '../../src/lib/log.ts';
import type { SledAgentConfig } from '../../src/sled-agent/config.ts';
import { startSledServices } from '../../src/sled-agent/services.ts';
import type { ArtifactStore } from '../../src/sled-agent/store/store.ts';
import { statedTrust } from '../../src/sled-agent/trust/open-trust.ts';
import { parseChain } from '../../src/sled-agent/trust/pinned-chain.ts';
import { createTrust, type SledTrust } from '../../src/sled-agent/trust/trust.ts';
import { NO_PINS, type Pins } from '../../src/sled-agent/trust/trust-file.ts';
import { SPECIFIED_SIGNATURES } from '../../src/tuf/signature-policy.ts';
import type { Callee } from '../network/call.ts';
import { createDepotLink } from '../network/depot-link.ts';
import type { Network } from '../network/network.ts';
import { createNexusPeer, type InternalEndpoint, type SpeaksOfLineage } from '../network/nexus-link.ts';
import type { FindSled, SledEndpoint } from '../network/sled-link.ts';
import { idFrom } from '../time/streams.ts';
import type { Host } from './machine.ts';
import type { ReleaseShelf } from './releases.ts';
import { type CertificateEndpoint, renewAnywhere, renewPeriodically } from './renewal.ts';

const AGENT_PORT = 12_345;
const DEPOT_PORT = 12_348;

export type RunningSled = SledEndpoint & { readonly store: ArtifactStore };

export type SledPlan = {
  readonly id: SledId;
  readonly serial: string;
  readonly datasets: readonly string[];
  readonly quotaBytes: number;
  readonly scrubPeriodMs: number;
  readonly deletion: DeletionRules;
};

export const sledConfig = ({
  id,
  serial,
  datasets,
  quotaBytes,
  scrubPeriodMs,
  deletion,
}: SledPlan): SledAgentConfig => ({
  sledId: id,
  baseboard: { serial, part: 'simulated', revision: 0 },
  listen: { host: serial, port: AGENT_PORT },
  depotListen: { host: serial, port: DEPOT_PORT },
  plainDepotListen: undefined,
  advertiseHost: undefined,
  leftovers: [],
  identity: undefined,
  trust: { rootFiles: [], adminKeyFiles: [], requireSigned: undefined, signatures: SPECIFIED_SIGNATURES },
  allowedHosts: [],
  nexuses: [],
  store: {
    directories: datasets,
    quotaBytes,
    minFreeBytes: 0,
    maxArtifactBytes: 2 ** 20,
    deletion,
    scrub: { periodMs: scrubPeriodMs, bytesPerSecond: 2 ** 20 },
  },
  limits: { puts: 4, copies: 4, depotReads: 32 },
  registrationPeriodMs: 60_000,
  // More often than on real machines, so that a run does not need hours of virtual time.
  reconcilePeriodMs: 60_000,
  stallTimeoutMs: DEFAULT_PROGRESS.intervalMs,
  logLevel: 'info',
  runningVersionFile: undefined,
  readyFile: undefined,
});

type Deps = {
  readonly network: Network;
  readonly findSled: FindSled;
  readonly nexuses: () => readonly Callee<InternalEndpoint & CertificateEndpoint>[];
  readonly certificateLifeMs: number;
  readonly rng: Rng;
  readonly log: Logger;
  /** Whether the sled, and the Nexuses, know lineage (P13). */
  readonly speaks: SpeaksOfLineage;
  readonly releases: Pick<ReleaseShelf, 'trustRoot' | 'judge'>;
};

const WRITE_MS = 2;

/**
 * What the machine pinned when it joined: the one trust root of simulated releases, and the admin key of the fleet, if it has one,
 * beside which no word of a Nexus exempts. It outlives the datasets.
 */
const openPinned = (
  { box, member: { statements }, process: { clock } }: Host,
  { releases, log }: Deps,
): SledTrust => {
  box.pins ??= joinedWith(releases.trustRoot, box.adminKeys);
  return createTrust({
    known: box.pins,
    async save(pins) {
      await clock.sleep(WRITE_MS, { signal: new AbortController().signal });
      box.pins = pins;
    },
    statements: statedTrust(statements),
    ...{ requireSigned: undefined, signatures: SPECIFIED_SIGNATURES },
    log,
  });
};

const joinedWith = (root: Uint8Array, adminKeys: Pins['adminKeys']): Pins => {
  const roots = parseChain([Buffer.from(root).toString('utf8')], SPECIFIED_SIGNATURES);
  return { ...NO_PINS, chains: [{ id: roots[0].sha256, by: 'join', roots }], adminKeys };
};

export const bootSled = async (plan: SledPlan, deps: Deps, host: Host): Promise<RunningSled> => {
  const { network, rng, log } = deps;
  const { member } = host;
  const caller = { machine: host.name, process: host.process, identity: member };
  const services = await startSledServices(sledConfig(plan), {
    clock: host.process.clock,
    rng,
    log,
    disk: host.disk,
    newId: () => idFrom(rng),
    lockDirectory: host.lockDirectory,
    fetchArtifact: createDepotLink(network, caller, deps.findSled),
    knownPeers: () => new Set(),
    isPlain: false,
    revocations: member.revocations,
    // An older agent judges no release, and keeps no statement.
    ...(deps.speaks.sled()
      ? { trust: openPinned(host, deps), statements: member.statements }
      : { trust: undefined, statements: NO_STATEMENTS }),
    judge: deps.releases.judge,
    peers: deps.nexuses().map(nexus => createNexusPeer(network, caller, nexus, deps.speaks)),
  });
  const health = (await services.store.list()).datasetHealth;
  if (health.every(({ state }) => state !== 'ok' && state !== 'full'))
    throw new DepotError('NO_USABLE_DATASET', 'no dataset can be used');
  renewPeriodically(host, {
    lifeMs: deps.certificateLifeMs,
    request: signal => renewAnywhere(deps, { ...caller, identity: member.renewing }, signal),
    log,
  });
  await services.startUpkeep({ agent: `${host.name}:${AGENT_PORT}`, depotPort: DEPOT_PORT });
  const { agent, depot, arriving, store } = services;
  return { agent, depot, arriving, store };
};
