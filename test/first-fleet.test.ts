/**
 * Follows "A fleet on your machines" of docs/operations.md, with its renewal and its new authority: every block as it stands, in
 * order, on machines that are directories, with addresses of the loopback network.
 *
 * FY1. Of a block only the addresses and the URL of the database are changed. `ssh` and `scp` work on the directories.
 * FY2. A block without a place here fails the test. Those that change the machine itself (npm, PostgreSQL, systemd), and those of
 *      other programs, are only read by the shell.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import process from 'node:process';
import { text as readText } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';
import { createTestDatabase } from '../src/nexus/datastore/database.fixture.ts';
import { until } from './fleet-process.fixture.ts';

const root = join(import.meta.dirname, '..');
/** A network of this process: the whole of 127.0.0.0/8 is loopback. */
const NETWORK = `127.${1 + ((process.pid >> 8) % 250)}.${process.pid % 256}.`;
const SLEDS = [1, 2, 3];
/** It joins by an invitation. */
const JOINING = 4;
const addressOf = (host: number): string => `${NETWORK}${host}`;
const [NEXUS, FURTHER_NEXUS, sledHost] = [1, 2, (sled: number) => 10 + sled];

await using stack = new AsyncDisposableStack();
const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-first-fleet-'));
stack.defer(() => rm(directory, { recursive: true, force: true }));
const database = stack.use(await createTestDatabase({ migrated: false }));
const owned = stack.move();
afterAll(() => owned.disposeAsync());

const SHIMS = {
  ssh: 'machine=$1; shift; cd "$MACHINES/$machine" && "$@"',
  scp: `for each in "$@"; do
  case $each in *:*) each=$MACHINES/\${each%%:*}/\${each#*:} ;; esac
  all+=("$each")
done
cp "\${all[@]}"`,
};

const makeMachines = async (): Promise<void> => {
  for (const name of [
    'admin',
    'bin',
    addressOf(NEXUS),
    addressOf(FURTHER_NEXUS),
    ...[...SLEDS, JOINING].map(sled => addressOf(sledHost(sled))),
  ])
    await mkdir(join(directory, name));
  await symlink(join(root, 'tuf-depot'), join(directory, 'bin/tuf-depot'));
  for (const [name, line] of Object.entries(SHIMS))
    await writeFile(join(directory, 'bin', name), `#!/bin/bash\nset -eu\nall=()\n${line}\n`, { mode: 0o755 });
};

/** The environment of a machine has nothing of this one: what the page needs, it sets. */
const shell = (machine: string, script: string): ChildProcess =>
  spawn('bash', ['-e', '-c', script], {
    cwd: join(directory, machine),
    env: {
      HOME: join(directory, machine),
      MACHINES: directory,
      PATH: `${join(directory, 'bin')}:${process.env.PATH}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });

/** @returns standard output. @throws unless it ends with 0 */
const run = async (machine: string, script: string): Promise<string> => {
  const child = shell(machine, script);
  const [out, err, [code]] = await Promise.all([
    readText(child.stdout!),
    readText(child.stderr!),
    once(child, 'exit'),
  ]);
  expect(code, `${script}\n${out}${err}`).toBe(0);
  return out;
};

type Server = { readonly log: () => string; readonly stop: () => Promise<void> };

/** A block that ends with a server, which runs until {@link Server.stop}. */
const serve = (machine: string, script: string): Server => {
  const child = shell(machine, script);
  let log = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', chunk => {
      log += chunk;
    });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGTERM');
    await exited;
  };
  owned.defer(stop);
  return { log: () => log, stop };
};

const readBlocks = async (): Promise<string[]> => {
  const page = await readFile(join(root, 'docs/operations.md'), 'utf8');
  const [, section = ''] = /\n## A fleet on your machines\n([\s\S]*?)\n### nexus.toml\n/.exec(page) ?? [];
  return [...section.matchAll(/^( *)```bash\n([\s\S]*?)^\1```$/gm)].map(([, , block]) =>
    block!
      .replaceAll('10.0.0.', NETWORK)
      .replace(/postgresql:\/\/tuf_depot:change-me@[\d.]+:5432\/tuf_depot/, database.connection),
  );
};

/** By what it pinned it stores only what verified metadata lists, and no reason says otherwise. */
const expectPinned = async (serial: string): Promise<void> => {
  expect(await run('admin', `tuf-depot sled show ${serial}`)).toMatch(
    /required; [1-9]\d* trust roots? and 1 admin key pinned; 0 artifacts withheld/,
  );
  expect(await run('admin', 'tuf-depot status || true')).not.toContain('SLED_STORES_UNSIGNED');
};

/** The names of the private keys on a machine: that of an admin belongs on none. */
const secretsOn = async (host: number): Promise<string[]> => {
  const files = await run(addressOf(host), "grep -rl 'PRIVATE KEY' . || true");
  return files
    .split('\n')
    .filter(file => file !== '')
    .map(file => basename(file))
    .sort();
};

const replacements = (server: Server): number => server.log().split('certificate replaced').length - 1;

test('one Nexus and three sleds are made by the blocks of the page, and get a new authority', async () => {
  const blocks = await readBlocks();
  /** The next block, which has to contain `what`. */
  const next = (what: string): string => {
    const block = blocks.shift() ?? '';
    expect(block).toContain(what);
    return block;
  };
  const onlyRead = (what: string) => run('admin', `bash -n <<'PAGE'\n${next(what)}\nPAGE`);
  await makeMachines();
  await onlyRead('npm pack');
  await onlyRead('npm install');
  await run('admin', next('identity init'));
  await run('admin', next('scp'));
  await onlyRead('CREATE DATABASE');
  const first = serve(addressOf(NEXUS), next('tuf-depot nexus'));
  await until(async () => first.log().includes('nexus serves'), 'Nexus serves');
  const [values, agent] = [next('serial='), next('tuf-depot sled-agent')];
  const sleds = SLEDS.map(sled => {
    const own = values
      .replace('BRM42220031', `BRM4222003${sled}`)
      .replace(addressOf(sledHost(1)), addressOf(sledHost(sled)));
    return serve(addressOf(sledHost(sled)), own + agent);
  });
  await until(
    async () => sleds.every(sled => sled.log().includes('floor accepted')),
    'sleds have registered',
  );

  const own = next('tuf-depot login');
  const admin = (script: string) => run('admin', script);
  const untilAllAnswer = () =>
    until(
      async () => /3 of 3 in service answer/.test(await admin('tuf-depot status || true')),
      'the sleds answer',
    );
  const withoutRoot = await run(
    'admin',
    own.replace('\ntuf-depot status\n', '\ntuf-depot status || test $? = 5\n'),
  );
  expect(withoutRoot).toMatch(/^verdict: +degraded$/m);
  expect(withoutRoot).toContain('No trust root is known');
  await untilAllAnswer();
  const uploaded = await admin(next('repo upload'));
  expect(uploaded).toContain('1.0.0 is complete: whole on 3 of 3 sleds');
  expect(uploaded).toMatch(/^verdict: +ok$/m);
  for (const sled of SLEDS) await expectPinned(`BRM4222003${sled}`);

  await admin(next('fleet-ca/ca-key.pem'));
  expect(await secretsOn(NEXUS)).toEqual(['ca-key.pem', 'key.pem']);
  await first.stop();
  const nexus = serve(addressOf(NEXUS), next('authority_directory'));
  await until(async () => nexus.log().includes('nexus serves'), 'Nexus serves again');
  await onlyRead('tuf-depot-sled-agent.service');
  await onlyRead('tuf-depot-nexus.service');

  await admin(next('sled invite'));
  const fourth = serve(addressOf(sledHost(JOINING)), next('tuf-depot sled-agent join'));
  await until(
    async () => /4 of 4 in service answer/.test(await admin('tuf-depot status')),
    'the sled that joined answers',
  );
  expect(fourth.log()).toContain('This machine has joined prod.example.org as sled ');
  await admin('tuf-depot repo wait 1.0.0');
  await expectPinned('BRM42220034');
  await admin('tuf-depot sled set-policy BRM42220034 expunged');
  await fourth.stop();
  await untilAllAnswer();

  await admin(next('nexus invite'));
  const further = serve(addressOf(FURTHER_NEXUS), next('tuf-depot nexus join'));
  await until(async () => further.log().includes('nexus serves'), 'the Nexus that joined serves');
  const [, furtherId] =
    /This machine has joined prod\.example\.org as Nexus ([-0-9a-f]{36})/i.exec(further.log()) ?? [];
  expect(furtherId).toBeDefined();
  await further.stop();
  // It is refused while the last heartbeat is recent.
  await until(
    async () => (await admin(`tuf-depot nexus expunge ${furtherId} 2>&1 || true`)).includes('is expunged'),
    'the Nexus that joined is expunged',
  );

  const all = [nexus, ...sleds];
  /** Runs a block, and waits until these have read new files. */
  const replace = async (block: string, servers: readonly Server[]): Promise<void> => {
    const before = servers.map(replacements);
    await admin(block);
    await until(
      async () => servers.every((server, at) => replacements(server) > before[at]!),
      `certificates are replaced by ${block}`,
    );
    await untilAllAnswer();
  };
  await replace(next('identity issue sled'), sleds.slice(0, 1));
  for (const tool of ['step certificate create', 'step ca bootstrap', 'kubectl', 'ln -s', 'spire-server'])
    await onlyRead(tool);
  await replace(next('cat fleet-ca/ca.pem new-ca/ca.pem'), all);
  await replace(next('identity issue nexus --ca new-ca'), all);
  await replace(next('cp new-ca/ca.pem ca.pem'), all);
  expect(blocks).toEqual([]);
  const refused = await admin('! tuf-depot status --ca-file fleet/fleet-ca/ca.pem 2>&1');
  expect(refused).toContain('[PEER_IDENTITY]');
  expect(await admin('tuf-depot status')).toMatch(/^verdict: +ok$/m);
  for (const host of [FURTHER_NEXUS, ...SLEDS.map(sledHost)])
    expect(await secretsOn(host), addressOf(host)).toEqual(['key.pem']);
}, 300_000);
