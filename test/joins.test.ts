/**
 * Machines that join a running fleet with an invitation: two commands, and then the agent. The fleet, its database and the
 * agents are real processes; the commands run as a person types them.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { stringify } from 'smol-toml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditEntryView } from '../src/api/operator-audit-api.ts';
import type { InvitationView } from '../src/api/operator-invitation-api.ts';
import { runTestCli } from '../src/cli/run.fixture.ts';
import { testFleetIdentity, writeAuthority } from '../src/identity/identity.fixture.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { readSledAgentConfig } from '../src/sled-agent/config.ts';
import { makeSled, type TestSled } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const PROGRAM = join(import.meta.dirname, '../src/cli/main.ts');
const identity = testFleetIdentity('prod.example.org');

let fleet: TestFleet;
let directory: string;
let release: TestRelease;
const started: TestSled[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'joins-'));
  const authorityDirectory = join(directory, 'authority');
  await writeAuthority(authorityDirectory, identity.authority);
  release = await makeTestRelease(directory, { systemVersion: '1.0.0' });
  fleet = await startTestFleet({
    identity: { ...identity, authorityDirectory },
    ...{ sleds: 1, minSledReplication: 1 },
  });
  await nexus().trust(release);
  await nexus().upload(release);
  await waitComplete(nexus(), '1.0.0');
});

afterAll(async () => {
  for (const sled of started) await sled.stop();
  await fleet?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const nexus = () => fleet.nexuses[0]!;

/** The command line of a person at a desk. */
const operator = (...args: string[]) => runTestCli(args, { environment: nexus().environment() });

const invite = async (...args: string[]): Promise<string> => {
  const run = await operator('sled', 'invite', ...args);
  expect(run).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^tufjoin_[\w-]+\n$/) });
  return run.out;
};

/** A machine with a configuration, and without any file of identity. */
const newMachine = async (n: number) => {
  const home = join(directory, `machine-${n}`);
  await mkdir(home, { recursive: true });
  const [certificate_file, key_file, ca_file] = ['certificate', 'key', 'ca'].map(name =>
    join(home, 'identity', `${name}.pem`),
  ) as [string, string, string];
  const section = { identity: { certificate_file, key_file, ca_file } };
  const internal = [nexus().internalAddress()];
  const config = join(home, 'sled-agent.toml');
  const file = { serial: `machine-${n}`, nexus: internal, datasets: [join(home, 'm2-a')], ...section };
  await writeFile(config, stringify(file));
  return {
    config,
    /** Without the lock, and without what is pinned. */
    files: async () =>
      (await readdir(join(home, 'identity'))).filter(name => !['lock', 'trust.json'].includes(name)),
    keyMode: async () => (await stat(key_file)).mode & 0o777,
    /** The token comes from standard input, so that no list of processes has it. */
    join: (token: string) =>
      runTestCli(['sled-agent', 'join', '--config', config, '-'], { stdin: Readable.from([token]) }),
    agent: () => {
      const sled = makeSled(directory, n, internal, { sled: () => ({ config: section }) });
      started.push(sled);
      return sled;
    },
  };
};

const sledWith = async (serial: string) => {
  const { items } = await nexus().fleet.sledList({ query: {} }, wait);
  return items.find(sled => sled.serial === serial);
};

test('two commands, and a machine holds every artifact of the release (T1b)', async () => {
  const machine = await newMachine(2);
  const joined = await machine.join(await invite());
  expect(joined).toMatchObject({ exitCode: 0, err: '' });
  const [, id] = /has joined prod\.example\.org as sled ([-0-9a-f]{36})\./.exec(joined.out)!;
  expect(joined.out).toContain('Next, start its agent: tuf-depot sled-agent --config');
  expect(await machine.keyMode()).toBe(0o600);
  const sled = machine.agent();
  await sled.start();
  for (const dataset of sled.datasets)
    await until(async () => (await artifactsOnDisk(dataset)).length === hashesOf(release).length);
  expect(await sledWith('sled-2')).toMatchObject({ id, policy: 'in_service' });
});

test('a token that was used is of no use to another machine, which learns who joined with it (JD1)', async () => {
  const [first, second] = [await newMachine(3), await newMachine(4)];
  const token = await invite('--for', '5m');
  const runs = await Promise.all([first.join(token), second.join(token)]);
  expect(runs.map(({ exitCode }) => exitCode).sort()).toEqual([0, 1]);
  const refused = runs.find(({ exitCode }) => exitCode === 1)!;
  expect(refused.err).toMatch(/error: .*sled [-0-9a-f]{36} joined with invitation .*\[INVITATION_USED\]/);
  expect(refused.err).toMatch(/fix: If this machine has not joined, somebody else has the token/);
  const files = [await first.files(), await second.files()].map(names => names.length);
  expect(files.sort()).toEqual([1, 3]);
  const log = await readFile(join(fleet.directory, 'nexus-1', 'log'), 'utf8');
  expect(log).toMatch(/"address":"127\.0\.0\.1".*a used token was sent again/);
  const [, thief] = /sled ([-0-9a-f]{36}) joined/.exec(refused.err)!;
  const expunged = await operator('sled', 'set-policy', thief!, 'expunged');
  expect(expunged).toMatchObject({ exitCode: 0, out: `Sled ${thief} is expunged.\n` });
});

test('a machine that replaces another one joins as a new sled, and the old one is expunged with it (G4)', async () => {
  const old = (await sledWith('sled-2'))!;
  const machine = await newMachine(5);
  const token = await invite('--replaces', 'sled-2');
  expect(await sledWith('sled-2')).toMatchObject({ policy: 'in_service' });
  expect(await machine.join(token)).toMatchObject({ exitCode: 0 });
  expect(await sledWith('sled-2')).toMatchObject({ id: old.id, policy: 'expunged' });
  const sled = machine.agent();
  await sled.start();
  await until(async () => (await sledWith('sled-5'))?.policy === 'in_service');
  await waitComplete(nexus(), '1.0.0');
});

test('the audit log has who invited, and which machine joined from where (T6)', async () => {
  const { out } = await operator('audit', 'list', '--json');
  const kinds = (JSON.parse(out) as AuditEntryView[]).map(({ actor, action }) => [actor?.kind, action?.kind]);
  expect(kinds).toContainEqual(['break_glass', 'sled_invited']);
  expect(kinds).toContainEqual(['invited_machine', 'sled_joined']);
  const { out: lines } = await operator('audit', 'list');
  expect(lines).toMatch(/ Sled [-0-9a-f]{36} became expunged\. It was in service before\./);
  expect(lines).toMatch(/a machine with an invitation +127\.0\.0\.1 +A machine joined as sled /);
});

test('a join that is killed at any moment is finished by the same command, as one sled (JC2)', async () => {
  const machine = await newMachine(8);
  const token = (await invite()).trim();
  const command = ['sled-agent', 'join', '--config', machine.config, token];
  /** A process is killed later each time, until one ends by itself before that. */
  const survives = async (afterMs: number): Promise<boolean> => {
    const child = spawn(process.execPath, [PROGRAM, ...command], { stdio: 'ignore' });
    const exited = once(child, 'exit');
    const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
    const [code] = await exited;
    clearTimeout(timer);
    return code === 0;
  };
  let kills = 0;
  for (let afterMs = 50; !(await survives(afterMs)); afterMs += 50) kills += 1;
  expect(kills).toBeGreaterThan(0);
  expect(await machine.files()).toEqual(['ca.pem', 'certificate.pem', 'key.pem']);
  const { sledId } = await readSledAgentConfig(machine.config);
  const keys = await fleet.database.query<{ id: string }>('SELECT sled_id::text AS id FROM sled_key');
  expect(keys.filter(({ id }) => id === sledId)).toHaveLength(1);
  const invitations = await fleet.database.query<{ used: number }>(
    'SELECT count(*)::int AS used FROM sled_invitation WHERE time_used IS NOT NULL',
  );
  expect(keys, 'each used invitation has one key').toHaveLength(invitations[0]!.used);
});

test('without a token a machine joins once its key, which it shows, is approved (T1b)', async () => {
  const machine = await newMachine(9);
  const shown = await operator('identity', 'show', '--json', join(directory, 'authority', 'ca.pem'));
  const [{ key_sha256: authority }] = JSON.parse(shown.out).certificates;
  const named = ['--fleet', 'prod.example.org', '--authority-key', authority];
  const args = [PROGRAM, 'sled-agent', 'join', '--config', machine.config, ...named];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let err = '';
  child.stderr.on('data', chunk => {
    err += chunk;
  });
  await until(async () => /has the SHA-256 [0-9a-f]{64}\./.test(err), 'the machine shows its key');
  const [, key] = /has the SHA-256 ([0-9a-f]{64})\./.exec(err)!;
  const pending = async () => JSON.parse((await operator('sled', 'list', '--pending', '--json')).out);
  expect(await pending()).toMatchObject([{ public_key_sha256: key, state: 'waiting', address: '127.0.0.1' }]);
  expect(await operator('sled', 'approve', 'ef'.repeat(32))).toMatchObject({ exitCode: 0 });
  expect(await operator('sled', 'approve', key!)).toMatchObject({ exitCode: 0 });
  expect((await exited)[0], err).toBe(0);
  expect(await machine.files()).toEqual(['ca.pem', 'certificate.pem', 'key.pem']);
  expect(await pending(), 'it does not wait any more').toEqual([]);
  const other = '0f'.repeat(32);
  expect(await operator('sled', 'deny', other)).toMatchObject({ exitCode: 0 });
  expect(await pending()).toMatchObject([{ public_key_sha256: other, state: 'denied' }]);
});

test('an invitation is listed until a machine joins, and is of no use once it is ended', async () => {
  const token = await invite();
  const states = async () => {
    const { out } = await operator('sled', 'invitations', '--json');
    return JSON.parse(out) as InvitationView[];
  };
  const [newest] = await states();
  expect(newest).toMatchObject({ state: 'open' });
  expect(await operator('sled', 'uninvite', newest!.id)).toMatchObject({ exitCode: 0 });
  expect(await (await newMachine(7)).join(token)).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('[INVITATION_INVALID]'),
  });
  const all = await states();
  expect(all[0]).toMatchObject({ id: newest!.id, state: 'expired' });
  const { id } = (await sledWith('sled-5'))!;
  expect(all.find(({ joined_sled_id }) => joined_sled_id === id)).toMatchObject({ state: 'used' });
});

test('an invitation for a serial number is for that machine, when it joins and when it registers (JD5, RI5)', async () => {
  const [machine, other] = [await newMachine(10), await newMachine(11)];
  const token = await invite('--serial', 'machine-10');
  const refused = await other.join(token);
  expect(refused.exitCode).toBe(1);
  expect(refused.err).toMatch(
    /is for the machine with the serial number machine-10, and the configuration of this machine says machine-11 \[SLED_SERIAL_DIFFERS\]\nfix: /,
  );
  expect(await machine.join(token), 'it was not used up').toMatchObject({ exitCode: 0 });
  const nexusLog = await readFile(join(fleet.directory, 'nexus-1', 'log'), 'utf8');
  expect(nexusLog).toContain('an invitation was used on a machine with another serial number');
  // Its configuration has another serial number than the one that joined.
  const sled = machine.agent();
  await sled.start();
  const logged = () => readFile(join(directory, 'sled-10', 'log'), 'utf8');
  await until(async () =>
    (await logged()).includes('the serial number machine-10, and registers with sled-10'),
  );
  expect(await sledWith('sled-10')).toBeUndefined();
});

test('no log and no table has a token', async () => {
  const token = (await invite()).trim();
  await (await newMachine(6)).join(token);
  const [row] = await fleet.database.query<{ text: string }>(
    'SELECT json_agg(i)::text AS text FROM sled_invitation i',
  );
  const log = await readFile(join(fleet.directory, 'nexus-1', 'log'), 'utf8');
  expect(log).toContain('machine joined');
  const secret = token.slice('tufjoin_'.length, 'tufjoin_'.length + 40);
  for (const text of [row!.text, log]) expect(text).not.toContain(secret);
});
