/**
 * What a large fleet costs a Nexus at rest: every sled has everything, and nothing changes.
 *
 *     npm run bench:idle -- [--sleds 1000] [--seconds 120] [--json FILE]
 *
 * A Nexus process and its database are real; the sleds are stand-ins (bench/stand-in) in one process, over TLS, with an identity each,
 * 4 releases of 64 artifacts, and the periods of a fleet in production. After the first round that finds everything in its place, for
 * that many seconds:
 *
 *     cpu_share        processor time of the Nexus process, of one core
 *     mib_per_minute   between Nexus and the sleds, in both directions, with TLS
 *     rss_mib          the most that was resident in the window
 *     wait_ms_max      the longest answer to a ping that an operator sent meanwhile, 5 a second; wait_ms_p999 beside it
 *
 * A stand-in needs a MiB of memory and some descriptors: `ulimit -n 65536` for 10,000 of them.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pingApi } from '../src/api/ping-api.ts';
import { NODE_FLAGS } from '../src/cli/program-path.ts';
import { createApiClient } from '../src/http/client.ts';
import { secureDispatcher } from '../src/http/peers.ts';
import { type TestFleetIdentity, testFleetIdentity } from '../src/identity/identity.fixture.ts';
import { messageChain } from '../src/lib/errors.ts';
import { makeTestRelease } from '../src/signing/release.fixture.ts';
import { makeNexus, type TestNexus, TOKEN } from '../test/fleet-members.fixture.ts';
import { startSoakDatabase } from '../test/soak/soak-database.ts';
import { type SeededArtifact, type StandInFleet, startStandIns } from './stand-in/fleet.ts';

const RELEASES = 4;
const ARTIFACTS = 64;
const ARTIFACT_BYTES = 4096;
/** `_SC_CLK_TCK` of every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const PING_INTERVAL_MS = 200;
const SETTLE_TIMEOUT_MS = 30 * 60_000;
/** A round at rest is one a minute; what follows the last change is over with the third. */
const SETTLE_MS = 150_000;

const { values } = parseArgs({
  options: {
    sleds: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '120' },
    json: { type: 'string' },
    profile: { type: 'boolean', default: false },
  },
});
const sleds = Number(values.sleds);
const seconds = Number(values.seconds);
if (!Number.isSafeInteger(sleds) || sleds < 3 || !(seconds > 0)) {
  console.error('npm run bench:idle -- [--sleds N, at least 3] [--seconds N] [--json FILE]');
  process.exit(2);
}

const artifactsOf = (release: number): SeededArtifact[] =>
  Array.from({ length: ARTIFACTS }, (_, n) => ({
    seed: `idle/${release}/${n}`,
    sizeBytes: ARTIFACT_BYTES,
  }));

const uploadAll = async (nexus: TestNexus, directory: string): Promise<void> => {
  const first = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: artifactsOf(1) });
  await nexus.trust(first);
  for (let n = 1; n <= RELEASES; n += 1)
    await nexus.upload(
      await makeTestRelease(directory, {
        systemVersion: `${n}.0.0`,
        artifacts: artifactsOf(n),
        keys: first.keys,
      }),
    );
};

/** Every release complete on every sled, and no archive left. */
const settle = async (nexus: TestNexus): Promise<void> => {
  const deadline = Date.now() + SETTLE_TIMEOUT_MS;
  for (let said = ''; Date.now() < deadline; await delay(2_000)) {
    const state = await stateOf(nexus).catch(error => `no answer yet: ${error.message}`);
    if (state === 'settled') return;
    if (state !== said) console.error(`${new Date().toISOString()} ${state}`);
    said = state;
  }
  throw new Error('the fleet did not come to rest');
};

const stateOf = async (nexus: TestNexus): Promise<string> => {
  const signal = AbortSignal.timeout(60_000);
  const task = await nexus.debug.bgtaskView(
    { params: { bgtask_name: 'tuf_artifact_replication' } },
    { signal },
  );
  if (task.last.last_result !== 'completed') return 'the first round is not over';
  const {
    sleds_answering: answering,
    local_repos: archives,
    releases,
  } = task.last.details.details as {
    sleds_answering: number;
    local_repos: number;
    releases: readonly { state: string }[];
  };
  const complete = releases.filter(({ state }) => state === 'complete').length;
  if (answering === sleds && complete === RELEASES && archives === 0) return 'settled';
  return `${answering} of ${sleds} sleds answer, ${complete} of ${RELEASES} releases are complete, ${archives} archives are held`;
};

const cpuSeconds = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // After the name in brackets, which may have spaces: utime and stime are the 12th and the 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};

const residentMib = async (pid: number): Promise<number> =>
  Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Asks again and again until the signal aborts; resolves with the milliseconds of each answer, the shortest first. */
const pingUntil = async (nexus: TestNexus, identity: TestFleetIdentity, over: AbortSignal) => {
  const authoritiesPem = identity.authority.certificate.toString();
  const dispatcher = secureDispatcher(() => ({ authoritiesPem }), { fleet: identity.fleet, kind: 'nexus' });
  const client = createApiClient(pingApi, { baseUrl: `https://${nexus.operatorAddress()}`, dispatcher });
  const waits: number[] = [];
  while (!over.aborted) {
    const began = performance.now();
    await client.ping({}, { signal: AbortSignal.timeout(60_000) });
    waits.push(performance.now() - began);
    await delay(PING_INTERVAL_MS);
  }
  await dispatcher.close();
  return waits.sort((a, b) => a - b);
};

const measure = async (nexus: TestNexus, standIns: StandInFleet, identity: TestFleetIdentity) => {
  const over = new AbortController();
  const pings = pingUntil(nexus, identity, over.signal);
  const pid = nexus.pid();
  const [cpuBefore, before, began] = [await cpuSeconds(pid), await standIns.traffic(), performance.now()];
  let residentMost = 0;
  while (performance.now() - began < seconds * 1_000) {
    residentMost = Math.max(residentMost, await residentMib(pid));
    await delay(500);
  }
  const [cpuAfter, after] = [await cpuSeconds(pid), await standIns.traffic()];
  const elapsed = (performance.now() - began) / 1_000;
  over.abort();
  const waits = await pings;
  return {
    sleds,
    seconds: Math.round(elapsed),
    cpu_share: (cpuAfter - cpuBefore) / elapsed,
    mib_per_minute: ((after.bytes - before.bytes) / 2 ** 20 / elapsed) * 60,
    rss_mib: residentMost,
    wait_ms_max: waits.at(-1) ?? 0,
    wait_ms_p999: waits[Math.floor(waits.length * 0.999)] ?? 0,
    connections_per_minute: ((after.connections - before.connections) / elapsed) * 60,
  };
};

const directory = await mkdtemp(join(tmpdir(), 'bench-idle-'));

/** Ends this program with 2 where the database of this machine is missing. */
const startDatabase = () =>
  startSoakDatabase(join(directory, 'database')).catch(error => {
    console.error(messageChain(error));
    process.exit(2);
  });

try {
  await using undo = new AsyncDisposableStack();
  const identity = testFleetIdentity();
  const database = undo.use(await startDatabase());
  await writeFile(join(directory, 'token'), `${TOKEN}\n`, { mode: 0o600 });
  const nexus = makeNexus(directory, 1, database.connection, {
    ...{ minSledReplication: 3, identity },
    nodeArguments: () => [
      ...NODE_FLAGS,
      ...(values.profile ? ['--cpu-prof', `--cpu-prof-dir=${tmpdir()}`] : []),
    ],
  });
  undo.defer(nexus.stop);
  await nexus.start();
  const standIns = undo.use(
    await startStandIns({
      nexus: nexus.internalAddress(),
      credentials: Array.from({ length: sleds }, () => identity.issue('sled')),
      artifacts: Array.from({ length: RELEASES }, (_, n) => artifactsOf(n + 1)).flat(),
      holdsAll: true,
    }),
  );
  await uploadAll(nexus, directory);
  await settle(nexus);
  await delay(SETTLE_MS);
  const result = await measure(nexus, standIns, identity);
  console.log(JSON.stringify(result, undefined, 2));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result)}\n`);
} finally {
  await rm(directory, { recursive: true, force: true });
}
