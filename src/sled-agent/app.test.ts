import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { secureDispatcher } from '../http/peers.ts';
import { testFleetIdentity, writeCredentials } from '../identity/identity.fixture.ts';
import type { ClientCredentials } from '../identity/tls.ts';
import type { Logger } from '../lib/log.ts';
import { runSledAgent, type SledAgentReady } from './main.ts';
import { hashOf, neverAborts, startTestNexus, startTestSled, type TestNexus } from './sled.fixture.ts';

const signal = neverAborts();
let folder: string;
let nexus: TestNexus;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sled-app-'));
  nexus = await startTestNexus();
});
afterEach(async () => {
  await nexus[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const writeConfig = async (more: string, datasets = ['a', 'b']): Promise<string> => {
  const path = join(folder, 'sled.toml');
  const common = `serial = "S1"\ntransport = "plain"\nlog_level = "silent"\nnexus = ["${nexus.address}"]\ndatasets = ${JSON.stringify(datasets)}\n`;
  await writeFile(path, `${common}listen = "127.0.0.1:0"\ndepot_listen = "127.0.0.1:0"\n${more}`);
  return path;
};

test('a sled agent reports its addresses, registers, and stops cleanly (S15)', async () => {
  await mkdir(join(folder, 'a'));
  await mkdir(join(folder, 'b'));
  const stop = new AbortController();
  const configPath = await writeConfig('ready_file = "ready.json"');
  const ended = runSledAgent({ configPath, signal: stop.signal });
  const readReady = async (): Promise<SledAgentReady> =>
    JSON.parse(await readFile(join(folder, 'ready.json'), 'utf8'));
  await expect.poll(() => readReady().catch(() => undefined)).toBeDefined();
  const ready = await readReady();
  expect(ready).toEqual({
    pid: process.pid,
    sled_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    agent_address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    depot_address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
  });
  await expect.poll(() => nexus.seen.length).toBe(1);
  expect(nexus.seen[0]).toMatchObject({
    sa_address: ready.agent_address,
    repo_depot_port: Number(ready.depot_address.split(':')[1]),
    baseboard: { serial: 'S1', part: 'generic', revision: 0 },
    datasets: [{ state: 'ok' }, { state: 'ok' }],
  });
  expect((await fetch(`http://${ready.agent_address}/artifacts`)).status).toBe(404);
  stop.abort();
  await ended;
  await expect(fetch(`http://${ready.agent_address}/artifacts`)).rejects.toThrow();
  await expect(readReady()).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a depot without TLS serves artifacts alone, to programs without a certificate, and only where the file says so', async () => {
  const identity = testFleetIdentity();
  const { certificateFile, keyFile, authoritiesFile } = await writeCredentials(
    folder,
    identity.issue('sled'),
  );
  const files = { certificate_file: certificateFile, key_file: keyFile, ca_file: authoritiesFile };
  const secure = { transport: 'tls', identity: files, trust: { require_signed: false } } as const;
  await using sled = await startTestSled({ ...secure, depot_plain_listen: '127.0.0.1:0' }, { floor: false });
  const base = `http://${sled.agent.plainDepotAddress}`;
  const answers = async (path: string, method = 'GET') => (await fetch(`${base}${path}`, { method })).status;
  const artifact = `/artifact/sha256/${hashOf('abc')}`;
  expect(await answers(artifact), 'it is asked, and holds nothing').toBe(404);
  expect(await answers(artifact, 'HEAD')).toBe(404);
  expect(await answers(artifact, 'PUT')).toBe(405);
  for (const path of ['/artifacts', '/artifacts-config', '/trust-roots'])
    expect(await answers(path)).toBe(404);
  await expect(fetch(`http://${sled.agent.depotAddress}${artifact}`), 'the depot has TLS').rejects.toThrow();
  await using other = await startTestSled({ depot_plain_listen: '127.0.0.1:0' });
  await other.put('abc', await other.want('abc'));
  const read = await fetch(`http://${other.agent.plainDepotAddress}${artifact}`);
  expect([read.status, await read.text()]).toEqual([200, 'abc']);
  await using without = await startTestSled();
  expect(without.agent.plainDepotAddress).toBeUndefined();
});

test('whom a sled refuses is in its log as a warning, of each of its servers (RFL1)', async () => {
  const identity = testFleetIdentity();
  const own = identity.issue('sled');
  const { certificateFile, keyFile, authoritiesFile } = await writeCredentials(folder, own);
  const files = { certificate_file: certificateFile, key_file: keyFile, ca_file: authoritiesFile };
  const secure = { transport: 'tls', identity: files, trust: { require_signed: false } } as const;
  const lines: unknown[] = [];
  const logOf = (component: unknown): Logger => {
    const ignore = () => undefined;
    const warn = (facts: object) => void ('why' in facts && lines.push({ component, ...facts }));
    return { debug: ignore, info: ignore, warn, error: ignore, child: each => logOf(each.component) };
  };
  await using sled = await startTestSled(secure, { floor: false, log: logOf(undefined) });
  const ask = async (as: ClientCredentials, url: string): Promise<number> => {
    const dispatcher = secureDispatcher(() => as, { fleet: identity.fleet, kind: 'sled' });
    onTestFinished(() => dispatcher.close());
    const { statusCode, body } = await request(url, { dispatcher });
    await body.dump();
    return statusCode;
  };
  const { agentAddress, depotAddress } = sled.agent;
  const artifact = `https://${depotAddress}/artifact/sha256/${hashOf('abc')}`;
  const { authoritiesPem } = own;
  expect(await ask(identity.issue('sled'), `https://${agentAddress}/artifacts`)).toBe(403);
  expect(await ask({ authoritiesPem }, artifact)).toBe(401);
  expect(await ask({ authoritiesPem }, artifact)).toBe(401);
  expect(lines).toEqual([
    {
      component: 'agent',
      why: 'other_identity',
      identity: expect.stringMatching(/^spiffe:/),
      ...{ address: '127.0.0.1', request: 'GET /artifacts', times: 1 },
    },
    {
      component: 'depot',
      why: 'no_certificate',
      ...{ address: '127.0.0.1', request: 'GET /artifact/sha256/{sha256}', times: 1 },
    },
  ]);
});

test('a sled with a dataset missing starts, reports it, and stores artifacts on the other (G8)', async () => {
  await mkdir(join(folder, 'a'));
  await using sled = await startTestSled({ datasets: [join(folder, 'a'), join(folder, 'b')] });
  await expect
    .poll(() => sled.nexus.seen[0]?.datasets?.map(dataset => dataset.state))
    .toEqual(['ok', 'missing']);
  const generation = await sled.want('abc');
  expect(await sled.put('abc', generation)).toEqual({ datasets: 1, successful_writes: 1 });
  expect(await sled.client.artifactList({}, { signal })).toMatchObject({ datasets: 1 });
});

test('a dataset that returns is noticed, and registered (P5, B16)', async () => {
  const datasets = [join(folder, 'a'), join(folder, 'b')];
  for (const dataset of datasets) await mkdir(dataset);
  await (await startTestSled({ datasets }))[Symbol.asyncDispose]();
  await rename(join(folder, 'b'), join(folder, 'away'));
  await using sled = await startTestSled({ datasets, intervals: { reconcile_s: 0.1 } });
  const registered = () => sled.nexus.seen.at(-1)?.datasets?.map(dataset => dataset.state);
  await expect.poll(registered).toEqual(['ok', 'missing']);
  await rename(join(folder, 'away'), join(folder, 'b'));
  await expect.poll(registered).toEqual(['ok', 'ok']);
});

test('a sled without any dataset refuses to start, and names each', async () => {
  await writeFile(join(folder, 'a'), 'a file');
  const configPath = await writeConfig('');
  await expect(runSledAgent({ configPath, signal })).rejects.toMatchObject({
    code: 'NO_USABLE_DATASET',
    message: expect.stringMatching(/\/a is not a directory; .*\/b/),
  });
});

// procfs refuses fsync of a directory, as some file systems for data do.
test('a sled whose disks cannot make names durable refuses to start, and says why', async () => {
  const configPath = await writeConfig('', ['/proc']);
  await expect(runSledAgent({ configPath, signal })).rejects.toMatchObject({
    code: 'NO_USABLE_DATASET',
    message: expect.stringMatching(/file system of \/proc does not support fsync of a directory/),
  });
});

test('a second sled agent on the same datasets is refused, and a port in use is named (P12)', async () => {
  await using sled = await startTestSled();
  await expect(startTestSled({ datasets: [...sled.datasets] })).rejects.toMatchObject({
    code: 'IN_USE_BY_PROCESS',
  });
  await expect(startTestSled({ listen: sled.agent.agentAddress })).rejects.toMatchObject({
    code: 'ADDRESS_IN_USE',
  });
});
