import { createServer } from 'node:net';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { serveTestNexus, TEST_TOKEN, testSled } from '../nexus.fixture.ts';
import { createProgram } from '../program.ts';
import { runTestCli } from '../run.fixture.ts';
import { FIXED_VALUES, FLEET_VALUES } from './complete.ts';

const HASHES = ['a'.repeat(64), `ab${'c'.repeat(62)}`];

const serve = () =>
  serveTestNexus({
    fleet: {
      sledList: async () => ({ items: [testSled(), { ...testSled(), serial: 'name with spaces' }] }),
      artifactList: async () => ({
        items: HASHES.map(sha256 => ({
          ...{ sha256, size_bytes: 1024, releases: ['1.2.0'] },
          ...{ sleds_holding: 1, sleds_in_service: 1 },
        })),
      }),
    },
  } as never);

const complete = async (words: readonly string[], url = 'http://127.0.0.1:9') => {
  const environment = { TUF_DEPOT_URL: url, TUF_DEPOT_TOKEN: TEST_TOKEN };
  const { exitCode, out, err } = await runTestCli(['complete', '--', ...words], { environment });
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
  return out.split('\n').filter(line => line !== '');
};

/** The words alone. */
const offered = async (words: readonly string[], url?: string) =>
  (await complete(words, url)).map(line => line.split(' ')[0]);

test('commands, subcommands and options are completed, each with what it means', async () => {
  expect(await offered(['rep'])).toEqual(['repo', 'repo-depot-standalone']);
  expect(await offered([''])).toEqual(expect.arrayContaining(['status', 'sled', 'demo']));
  expect(await offered([''])).not.toContain('complete');
  expect(await offered(['repo', 's'])).toEqual(['sign', 'sync', 'show']);
  expect(await offered(['sled', 'list', '--pen'])).toEqual(['--pending']);
  expect(await complete(['sled', 'sho'])).toEqual([
    'show one sled: datasets, copies in flight and failed, deletions',
  ]);
  expect(await offered(['nothing', 'x'])).toEqual([]);
});

test('values come from the fleet that the typed options or the environment name', async () => {
  await using nexus = await serve();
  const from = (...words: string[]) => offered(words, nexus.url);
  expect(await from('repo', 'show', '1.2')).toEqual(['1.2.0', '1.2.0-rc.1']);
  expect(await from('repo', 'wait', '--timeout', '9', '1.1')).toEqual(['1.10.0']);
  expect(await from('history', '--release', '1.10')).toEqual(['1.10.0']);
  expect(await from('history', '--release', '=', '1.10')).toEqual(['1.10.0']);
  expect(await from('history', '--release=1.10')).toEqual(['--release=1.10.0']);
  expect(await from('sled', 'show', '')).toEqual(['sled-1']);
  expect(await from('artifact', 'show', 'ab')).toEqual([HASHES[1]]);
  expect(await offered(['sled', 'show', '--url', nexus.url, ''])).toEqual(['sled-1']);
});

test('fixed values are completed without a fleet, and paths are left to the shell', async () => {
  expect(await offered(['sled', 'set-policy', 'sled-1', ''])).toEqual(['in-service', 'expunged']);
  expect(await offered(['token', 'create', '--role', 'a'])).toEqual(['admin']);
  expect(await offered(['repo', 'upload', './rel'])).toEqual([':files']);
  expect(await offered(['repo', 'assemble', '--key', ''])).toEqual([':files']);
  expect(await offered(['status', '--data', ''])).toEqual([':directories']);
  expect(await offered(['login', '--ca-digest', ''])).toEqual([]);
});

test('a fleet that refuses, is away, or does not answer is silence, within seconds (CPL1)', async () => {
  await using nexus = await serve();
  expect(await complete(['sled', 'show', '--token-file', '/nonexistent', ''], nexus.url)).toEqual([]);
  expect(await complete(['sled', 'show', ''])).toEqual([]);
  const mute = createServer(() => undefined);
  await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve));
  const { port } = mute.address() as { port: number };
  expect(await complete(['sled', 'show', ''], `http://127.0.0.1:${port}`)).toEqual([]);
  mute.close();
});

test('each value that is completed is one that a command awaits', async () => {
  const awaited = new Set<string>();
  const visit = (command: Command, path: readonly string[]): void => {
    const names = [
      ...command.registeredArguments.map(argument => argument.name()),
      ...command.options.flatMap(({ flags }) => /<(?:\[.*\])?(.*)>$/.exec(flags)?.[1] ?? []),
    ];
    for (const name of names) awaited.add(name).add(`${path.join(' ')} ${name}`);
    for (const child of command.commands) visit(child, [...path, child.name()]);
  };
  visit(await createProgram({ terminal: {} } as never), []);
  for (const key of [...Object.keys(FIXED_VALUES), ...Object.keys(FLEET_VALUES)])
    expect(awaited, key).toContain(key);
});
