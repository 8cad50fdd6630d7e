/**
 * Peak memory of every process, with TLS and without: while an archive of 2 GiB is uploaded and replicated to four sleds with two
 * datasets each, and then while strangers at 250 addresses open 4,096 connections to each server.
 *
 *     bin/node24 bench/memory.ts [GIBIBYTES] [tls|plain]
 *
 * VmHWM of /proc/PID/status: the most that was ever resident. Beside it, as a yardstick, the same of an idle fleet.
 * Needs about eleven times the archive's size of disk in the folder for temporary files.
 */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NODE_FLAGS } from '../src/cli/program-path.ts';
import { assembleRelease } from '../src/signing/assemble.ts';
import { keysForAllRoles } from '../src/signing/sign-metadata.ts';
import { generateSigningKey } from '../src/signing/signing-keys.ts';
import type { TestProcess } from '../test/fleet-process.fixture.ts';
import { waitComplete } from '../test/fleet-state.fixture.ts';
import { floodConnections, MEMORY_LIMITS, type MemoryLimits, peakMib } from '../test/peak-memory.ts';
import { startTestFleet } from '../test/process-fleet.fixture.ts';
import { startSoakDatabase } from '../test/soak/soak-database.ts';

const MIB = 1024 ** 2;
const ARTIFACTS = 4;
const CONNECTIONS = 4_096;

const gib = Number(process.argv[2] ?? 2);
const transports = process.argv[3] === undefined ? (['plain', 'tls'] as const) : [process.argv[3]];
const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-memory-'));

/** Not compressible, and different in each file. */
const writeArtifact = async (path: string, sizeBytes: number, n: number) => {
  await using file = await open(path, 'w');
  const block = Buffer.alloc(MIB);
  for (let written = 0; written < sizeBytes; written += MIB) {
    block.fill(`${n}/${written}/`);
    await file.write(block);
  }
};

const makeRelease = async () => {
  const paths = Array.from({ length: ARTIFACTS }, (_, n) => join(directory, `artifact-${n}`));
  // A little less than the limit of a repository and of an artifact, where the metadata has to fit too.
  const sizeBytes = Math.floor((gib * 1024 * MIB) / ARTIFACTS / MIB) * MIB - MIB;
  for (const [n, path] of paths.entries()) await writeArtifact(path, sizeBytes, n);
  const release = await assembleRelease({
    systemVersion: '1.0.0',
    format: 'v2',
    artifacts: paths.map((path, n) => ({
      path,
      targetName: `a${n}`,
      version: '1.0.0',
      tags: { kind: 'bench', n: String(n) },
    })),
    keys: keysForAllRoles([generateSigningKey()]),
    expiresMs: Date.now() + 86_400_000,
    versions: { timestamp: 1, snapshot: 1, targets: 1 },
    outputPath: join(directory, 'release.zip'),
  });
  for (const path of paths) await rm(path);
  return release;
};

type Named = { readonly name: string; readonly limits: MemoryLimits; readonly process: TestProcess };
const peaksOf = (processes: readonly Named[]) =>
  Promise.all(processes.map(({ process }) => peakMib(process)));

/** The peaks of one fleet: idle, after the release, and after the connections. */
const measure = async (transport: string, release: Awaited<ReturnType<typeof makeRelease>>) => {
  const folder = join(directory, transport);
  await using undo = new AsyncDisposableStack();
  const database = undo.use(await startSoakDatabase(folder));
  const fleet = undo.use(
    await startTestFleet({
      ...{ sleds: 4, minSledReplication: 3, database },
      nodeArguments: () => NODE_FLAGS,
      ...(transport === 'plain' && { transport: 'plain' as const }),
    }),
  );
  const nexus = fleet.nexuses[0]!;
  const processes: Named[] = [
    { name: 'nexus', limits: MEMORY_LIMITS.nexus, process: nexus },
    ...fleet.sleds.map(sled => ({ name: sled.serial, limits: MEMORY_LIMITS.sled, process: sled })),
  ];
  const idle = await peaksOf(processes);
  await nexus.trust(release as never);
  const began = performance.now();
  await nexus.upload({ ...release, systemVersion: '1.0.0' } as never);
  const uploaded = performance.now();
  await waitComplete(nexus, '1.0.0');
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  console.log(
    `${transport}, ${(release.sizeBytes / 1024 ** 3).toFixed(2)} GiB: uploaded and recorded in ${seconds(uploaded - began)} s, complete on 4 sleds × 2 datasets ${seconds(performance.now() - uploaded)} s later`,
  );
  const loaded = await peaksOf(processes);
  const isSecure = transport !== 'plain';
  const servers = [nexus.internalAddress(), nexus.operatorAddress()];
  for (const { agentAddress, depotAddress } of fleet.sleds) servers.push(agentAddress(), depotAddress());
  for (const address of servers) await floodConnections({ address, isSecure, count: CONNECTIONS });
  const flooded = await peaksOf(processes);
  return processes.map(({ name, limits }, n) => ({
    ...{ name, limits },
    ...{ idle: idle[n]!, loaded: loaded[n]!, flooded: flooded[n]! },
  }));
};

try {
  const release = await makeRelease();
  for (const transport of transports) {
    for (const { name, limits, idle, loaded, flooded } of await measure(transport, release)) {
      const isWithin = loaded < limits.loaded && flooded < limits.flooded;
      console.log(
        `${transport} ${name}: idle ${idle.toFixed(0)} MiB, with the release ${loaded.toFixed(0)} MiB, with ${CONNECTIONS} connections to each server ${flooded.toFixed(0)} MiB: ${isWithin ? 'within' : 'OVER'} ${limits.loaded} and ${limits.flooded} MiB`,
      );
      if (!isWithin) process.exitCode = 1;
    }
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}
