/** Nexus as a process: ready file, SIGTERM, SIGKILL, and a second one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { operatorUpdateApi } from '../../api/operator-update-api.ts';
import { createApiClient } from '../../http/client.ts';
import type { TestRelease } from '../../signing/release.fixture.ts';
import type { NexusReady } from './main.ts';
import { chunksOf, createTestWorld, type TestWorld } from './nexus.fixture.ts';

const wait = { signal: new AbortController().signal };

let world: TestWorld;
let running: ChildProcess[];
beforeEach(async () => {
  world = await createTestWorld();
  running = [];
});
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await world[Symbol.asyncDispose]();
});

const spawnNexus = async (configPath: string): Promise<ChildProcess> => {
  const script = join(world.directory, 'nexus.mjs');
  const source = `
    import { runNexus } from ${JSON.stringify(import.meta.resolve('./main.ts'))};
    const controller = new AbortController();
    process.once('SIGTERM', () => controller.abort());
    await runNexus({ configPath: ${JSON.stringify(configPath)}, signal: controller.signal });`;
  await writeFile(script, source);
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'pipe'] });
  running.push(child);
  return child;
};

const startProcess = async () => {
  const readyFile = join(world.directory, 'ready.json');
  const configPath = await world.writeConfig({ config: { ready_file: readyFile } });
  const child = await spawnNexus(configPath);
  child.stderr?.resume();
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  for (;;) {
    const ready = await readFile(readyFile, 'utf8').catch(() => undefined);
    // A process that was killed leaves its file to the next one, which removes it before it listens.
    const parsed = ready === undefined ? undefined : (JSON.parse(ready) as NexusReady);
    if (parsed?.pid === child.pid) return { child, exited, ready: parsed!, configPath, readyFile };
    if (child.exitCode !== null) throw new Error(`nexus ended with ${child.exitCode}`);
    await delay(20);
  }
};

const clientOf = async ({ operator_address }: NexusReady) => {
  const token = (await readFile(join(world.directory, 'nexus-token'), 'utf8')).trim();
  return createApiClient(operatorUpdateApi, { baseUrl: `http://${operator_address}`, token });
};

const upload = async (ready: NexusReady, release: TestRelease) => {
  await using client = await clientOf(ready);
  await client.trustRootCreate({ body: JSON.parse(Buffer.from(release.trustRoot).toString()) }, wait);
  const bytes = await readFile(release.path);
  const body = { sizeBytes: bytes.length, chunks: chunksOf(bytes) };
  return await client.repositoryUpload({ query: { file_name: 'release.zip' }, body }, wait);
};

test('a process reports its addresses, and exits cleanly on SIGTERM', async () => {
  const { child, exited, ready, readyFile } = await startProcess();
  expect(ready).toMatchObject({
    pid: child.pid,
    operator_address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
  });
  expect(await upload(ready, await world.release())).toMatchObject({ status: 'inserted' });
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
  await expect(readFile(readyFile)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('killed after it recorded an upload and before any sled has it, a Nexus has the upload after its restart (B1)', async () => {
  const first = await startProcess();
  const release = await world.release();
  await upload(first.ready, release);
  first.child.kill('SIGKILL');
  await first.exited;

  const second = await startProcess();
  expect(second.ready.nexus_id).toBe(first.ready.nexus_id);
  await using client = await clientOf(second.ready);
  const params = { system_version: release.systemVersion };
  expect(await client.repositoryView({ params }, wait)).toMatchObject({ hash: release.sha256 });
  const [row] = await world.database.query<{ upload_id: string }>('SELECT upload_id FROM local_repo');
  const staged = await readdir(join(world.directory, 'nexus-staging'));
  expect(staged).toEqual(expect.arrayContaining([`${row!.upload_id}.zip`, `${row!.upload_id}.json`]));
});

test('a second process on the same staging directory ends with an error that names the first (P12)', async () => {
  const first = await startProcess();
  const second = await spawnNexus(first.configPath);
  const [output, [code]] = await Promise.all([text(second.stderr!), once(second, 'exit')]);
  expect(code).not.toBe(0);
  expect(output).toContain(`in use by process ${first.child.pid}`);
});
