import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../lib/clock.ts';
import { writeFleetRecord } from '../local-fleet/fleet-record.ts';
import { serveTestNexus, TEST_TOKEN } from './nexus.fixture.ts';
import { createProgram } from './program.ts';
import { runTestCli } from './run.fixture.ts';

const temporaryDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-cli-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
};

test('wrong usage exits with 2 and is reported on standard error', async () => {
  for (const args of [
    ['repo'],
    ['nothing'],
    ['repo', 'show'],
    ['repo', 'show', 'v1'],
    ['repo', 'wait', '1.0.0', '--for', 'ever'],
    ['repo', 'wait', '1.0.0', '--timeout', 'soon'],
    ['sled', 'set-policy', 'sled-1', 'gone'],
    ['nexus'],
    ['start', '--sleds', '0'],
    ['status', '--url', 'ftp://x'],
  ]) {
    const run = await runTestCli(args);
    expect(run, args.join(' ')).toMatchObject({ exitCode: 2, out: '' });
    expect(run.err).not.toBe('');
  }
});

test('every command has a description and an example in its help, and takes --json', async () => {
  const session = { terminal: {}, clock: systemClock } as never;
  const leaves: Command[] = [];
  const visit = (command: Command): void => {
    if (command.commands.length === 0) leaves.push(command);
    for (const child of command.commands) visit(child);
  };
  visit(await createProgram(session));
  expect(leaves.length).toBeGreaterThan(25);
  for (const command of leaves) {
    let help = '';
    command.configureOutput({
      writeOut: text => {
        help += text;
      },
    });
    command.outputHelp();
    expect(command.description(), command.name()).not.toBe('');
    expect(help, command.name()).toContain('Example:\n  $ tuf-depot ');
    expect(help, command.name()).toContain('--json');
  }
});

/** The name of a flag, and what earlier versions called the same in some commands. */
const EARLIER_NAMES: Readonly<Record<string, string>> = {
  '--output': '--out',
  '--days': '--expires-in-days',
};

test('flags of one meaning have one name in all commands; earlier names are taken, and not shown', async () => {
  const earlier: string[] = [];
  const visit = (command: Command): void => {
    for (const { long, hidden } of command.options)
      if (long != null && Object.hasOwn(EARLIER_NAMES, long)) {
        expect(hidden, `${command.name()} ${long}`).toBe(true);
        expect(command.options.map(option => option.long)).toContain(EARLIER_NAMES[long]);
        earlier.push(long);
      }
    command.commands.forEach(visit);
  };
  visit(await createProgram({ terminal: {}, clock: systemClock } as never));
  expect(earlier.sort()).toEqual(Object.keys(EARLIER_NAMES).sort());
});

test('help goes to standard output and exits with 0', async () => {
  const run = await runTestCli(['repo', 'upload', '--help']);
  expect(run).toMatchObject({ exitCode: 0, err: '' });
  expect(run.out).toContain('$ tuf-depot repo upload');
});

test('an unreachable Nexus is named, with the remedy; there is no stack trace without --debug', async () => {
  const args = ['status', '--url', 'http://127.0.0.1:9'];
  const run = await runTestCli(args);
  expect(run).toMatchObject({ exitCode: 1, out: '' });
  expect(run.err).toMatch(/^error: 127\.0\.0\.1:9 cannot be reached: .* \[PEER_UNREACHABLE\]\nfix: .*\n$/);
  expect((await runTestCli([...args, '--debug'])).err).toMatch(/\n {4}at /);
});

test('a server that does not speak TLS is not the expected process, and the remedy names the authority and the address', async () => {
  await using nexus = await serveTestNexus();
  const run = await runTestCli(['status', '--url', nexus.url.replace('http:', 'https:')]);
  expect(run).toMatchObject({ exitCode: 1, out: '' });
  expect(run.err).toMatch(/ \[PEER_IDENTITY\]\nfix: .*--ca-file.* http or https .*\n$/);
});

test('the token comes from --token-file before TUF_DEPOT_TOKEN before TUF_DEPOT_TOKEN_FILE', async () => {
  await using nexus = await serveTestNexus();
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'good'), `${TEST_TOKEN}\n`);
  await writeFile(join(directory, 'bad'), 'wrong\n');
  const exitCode = async (args: string[], environment: Record<string, string>) =>
    (await runTestCli(['status', '--url', nexus.url, ...args], { environment, directory })).exitCode;
  expect(await exitCode([], { TUF_DEPOT_TOKEN: TEST_TOKEN })).toBe(0);
  expect(await exitCode([], { TUF_DEPOT_TOKEN_FILE: 'good' })).toBe(0);
  expect(await exitCode([], { TUF_DEPOT_TOKEN: TEST_TOKEN, TUF_DEPOT_TOKEN_FILE: 'bad' })).toBe(0);
  expect(await exitCode(['--token-file', 'bad'], { TUF_DEPOT_TOKEN: TEST_TOKEN })).toBe(1);
  expect(await exitCode([], {})).toBe(1);
});

test('the fleet in the data directory is found by itself, and its token goes to no other address', async () => {
  await using nexus = await serveTestNexus();
  const directory = await temporaryDirectory();
  const data = join(directory, '.tuf-depot');
  await mkdir(data);
  const tokenFile = join(data, 'operator-token');
  await writeFile(tokenFile, TEST_TOKEN);
  const record = {
    operatorUrls: [nexus.url],
    tokenFile,
    authoritiesFile: undefined,
    minSledReplication: 3,
  };
  await writeFleetRecord(data, { ...record, pid: process.pid });
  expect((await runTestCli(['status'], { directory })).exitCode).toBe(0);
  expect((await runTestCli(['status', '--url', nexus.url], { directory })).exitCode).toBe(0);

  await using other = await serveTestNexus();
  const elsewhere = await runTestCli(['status', '--url', other.url], { directory });
  expect(elsewhere.err).toContain('[UNAUTHORIZED]');

  // Beyond what Linux gives out: a process that is not there.
  await writeFleetRecord(data, { ...record, pid: 2 ** 22 + 1 });
  const stopped = await runTestCli(['status', '--data', '.tuf-depot'], { directory });
  expect(stopped.err).toContain('no fleet runs in .tuf-depot');
});
