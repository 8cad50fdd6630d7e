/**
 * Peak memory of every process while an archive of 2 GiB is uploaded and replicated to four sleds, two datasets each.
 *
 *     bin/node24 bench/memory.ts [GIBIBYTES]
 *
 * VmHWM of /proc/PID/status: the most that was ever resident. Beside it, as a yardstick, the same of an idle fleet.
 * Needs about eleven times the archive's size of disk in the folder for temporary files.
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { operatorFleetApi } from '../src/api/operator-fleet-api.ts';
import { operatorUpdateApi } from '../src/api/operator-update-api.ts';
import { programCommand } from '../src/cli/program-path.ts';
import { createApiClient } from '../src/http/client.ts';
import { startFleet } from '../src/local-fleet/launcher.ts';
import { assembleRelease } from '../src/signing/assemble.ts';
import { keysForAllRoles } from '../src/signing/sign-metadata.ts';
import { generateSigningKey } from '../src/signing/signing-keys.ts';

const MIB = 1024 ** 2;
const LIMITS_MIB = { nexus: 256, sled: 192 };
const ARTIFACTS = 4;

const gib = Number(process.argv[2] ?? 2);
const signal = new AbortController().signal;
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

const peakMib = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024;
};

try {
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

  await using fleet = await startFleet({
    directory: join(directory, 'fleet'),
    nexuses: 1,
    sleds: 4,
    program: programCommand(),
    stablePorts: false,
    onStep: () => undefined,
    signal,
  });
  const nexus = fleet.nexuses[0]!;
  const token = (await readFile(fleet.paths.tokenFile, 'utf8')).trim();
  const connection = { baseUrl: nexus.operatorUrl, token, timeouts: { answerTimeoutMs: 600_000 } };
  await using update = createApiClient(operatorUpdateApi, connection);
  await using status = createApiClient(operatorFleetApi, connection);
  const processes = [
    { name: 'nexus', pid: nexus.pid, limitMib: LIMITS_MIB.nexus },
    ...fleet.sleds.map(sled => ({ name: sled.name, pid: sled.pid, limitMib: LIMITS_MIB.sled })),
  ];
  const idle = await Promise.all(processes.map(({ pid }) => peakMib(pid)));

  await update.trustRootCreate({ body: JSON.parse(Buffer.from(release.trustRoot).toString()) }, { signal });
  const began = performance.now();
  await update.repositoryUpload(
    {
      query: { file_name: 'release.zip' },
      body: { sizeBytes: release.sizeBytes, chunks: createReadStream(release.path, { highWaterMark: MIB }) },
    },
    { signal },
  );
  const uploaded = performance.now();
  for (;;) {
    const { complete } = await status.releaseReplication({ params: { system_version: '1.0.0' } }, { signal });
    if (complete) break;
    await delay(250);
  }
  const complete = performance.now();
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  console.log(
    `${(release.sizeBytes / 1024 ** 3).toFixed(2)} GiB: uploaded and recorded in ${seconds(uploaded - began)} s, complete on 4 sleds × 2 datasets ${seconds(complete - uploaded)} s later`,
  );
  for (const [index, { name, pid, limitMib }] of processes.entries()) {
    const mib = await peakMib(pid);
    const verdict = mib < limitMib ? 'within' : 'OVER';
    console.log(
      `${name}: peak ${mib.toFixed(0)} MiB, ${verdict} ${limitMib} MiB; ${(mib / idle[index]!).toFixed(2)} × idle (${idle[index]!.toFixed(0)} MiB)`,
    );
    if (mib >= limitMib) process.exitCode = 1;
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}
