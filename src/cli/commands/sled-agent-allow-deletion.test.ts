import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'smol-toml';
import { expect, test } from 'vitest';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { offer, put, reconcile, testArtifact } from '../../sled-agent/store/artifact.fixture.ts';
import { createTestStore } from '../../sled-agent/store/store.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

const deletion = { waitMs: 600_000, limitPercent: 50, limitWaitMs: 7 * 86_400_000 };
const artifacts = [testArtifact(1), testArtifact(2)];

/** A sled that runs and holds two artifacts. */
const runningSled = async () => {
  const sled = await createTestStore({ settings: { deletion }, dependencies: { clock: createTestClock() } });
  await offer(sled.store(), 5, artifacts);
  for (const artifact of artifacts) await put(sled.store(), artifact);
  await reconcile(sled.store());
  const directory = dirname(sled.directories[0]!);
  const config = {
    serial: 'BRM1',
    transport: 'plain',
    nexus: ['127.0.0.1:1'],
    datasets: [...sled.directories],
  };
  await writeFile(join(directory, 'sled-agent.toml'), stringify(config));
  return {
    sled,
    allow: (...args: string[]) =>
      runTestCli(['sled-agent', 'allow-deletion', '--config', 'sled-agent.toml', ...args], { directory }),
    [Symbol.asyncDispose]: () => sled[Symbol.asyncDispose](),
  };
};

test('an operator who deletes the only release on purpose sees what is held up, and allows it on the machine (T4)', async () => {
  await using machine = await runningSled();
  const store = machine.sled.store();
  await offer(store, 6, []);
  await reconcile(store);
  const shown = await machine.allow();
  expect(shown).toMatchObject({ exitCode: 0, err: '' });
  expect(shown.out).toContain('holds up the deletion of 2 artifacts, 9.77 KiB:');
  expect(shown.out).toContain('deleted by itself in 7 d 0 h');
  expect(shown.out).toContain('Run it again with --apply');
  expect(await reconcile(store)).toBe(0);
  expect((await machine.allow('--apply')).out).toContain('They are allowed.');
  expect(await reconcile(store)).toBe(2);
  expect((await machine.allow('--json')).out).toBe('{\n  "artifacts": [],\n  "isAllowed": false\n}\n');
});

test('what is allowed and then listed again is kept', async () => {
  await using machine = await runningSled();
  const store = machine.sled.store();
  await offer(store, 6, []);
  await reconcile(store);
  await machine.allow('--apply');
  await offer(store, 7, artifacts);
  await reconcile(store);
  await offer(store, 8, []);
  expect(await reconcile(store)).toBe(0);
  expect((await store.list()).deletionsLimited.artifacts).toBe(2);
});

test('without a limit that holds anything up it says so, and a sled without the file of deletions is named', async () => {
  await using machine = await runningSled();
  expect((await machine.allow('--apply')).out).toContain('No deletion is held up');
  await using other = await createTestStore();
  const directory = dirname(other.directories[0]!);
  const config = {
    serial: 'BRM1',
    transport: 'plain',
    nexus: ['127.0.0.1:1'],
    datasets: [...other.directories],
  };
  await writeFile(join(directory, 'sled-agent.toml'), stringify(config));
  const args = ['sled-agent', 'allow-deletion', '--config', 'sled-agent.toml'];
  expect(await runTestCli(args, { directory })).toMatchObject({
    exitCode: 1,
    out: '',
    err: expect.stringContaining('[NO_USABLE_DATASET]'),
  });
});
