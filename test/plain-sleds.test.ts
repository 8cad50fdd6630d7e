/** A fleet that ran without identities is upgraded by the page of docs/operations.md, over real processes. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { stringify } from 'smol-toml';
import { expect, test } from 'vitest';
import { runTestCli } from '../src/cli/run.fixture.ts';
import { testFleetIdentity, writeAuthority } from '../src/identity/identity.fixture.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { makeSled, type TestNexus, type TestSled } from './fleet-members.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet } from './process-fleet.fixture.ts';
import { follow } from './recoveries/follow.ts';
import { untilDropped } from './recoveries/situation.ts';

const TIMEOUT_MS = 240_000;

test(
  'a fleet from before identities does not start, says which page to follow, and by that page loses nothing and converges (T1a)',
  async () => {
    await using undo = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-plain-'));
    undo.defer(() => rm(directory, { recursive: true, force: true }));
    const authorityDirectory = join(directory, 'authority');
    const identity = { ...testFleetIdentity('prod.example.org'), authorityDirectory };
    await writeAuthority(authorityDirectory, identity.authority);
    const nexusConfig: Record<string, unknown> = {};
    const fleet = undo.use(
      await startTestFleet({ sleds: 2, minSledReplication: 2, transport: 'plain', identity, nexusConfig }),
    );
    const [nexus] = fleet.nexuses as [(typeof fleet.nexuses)[0]];
    const sleds = fleet.sleds as [TestSled, TestSled];
    const one = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [50_000, 7_000] });
    const two = await makeTestRelease(directory, {
      systemVersion: '2.0.0',
      artifacts: [60_000, 3_000],
      keys: one.keys,
    });
    await nexus.trust(one);
    await nexus.upload(one);
    await waitComplete(nexus, one.systemVersion);
    const tls = nexus.tlsInternalAddress();
    await nexus.stop();
    // A database from before has no approvals.
    await fleet.database.query('DELETE FROM sled_plain_approval');

    const old = join(directory, 'nexus.toml');
    await writeFile(
      old,
      stringify({
        staging_directory: 'staging',
        insecure_listen: true,
        database: { url: fleet.database.connection },
      }),
    );
    const refused = await runTestCli(['nexus', '--config', old]);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.err).toMatch(/"A fleet without identities is upgraded" \[IDENTITY_REQUIRED\]/);
    const oldSled = join(directory, 'old-sled.toml');
    await writeFile(oldSled, stringify({ serial: 'sled-1', nexus: ['127.0.0.1:1'], datasets: ['m2-a'] }));
    expect((await runTestCli(['sled-agent', '--config', oldSled])).err).toContain('[IDENTITY_REQUIRED]');

    const rejoining = async (n: 1 | 2) => {
      const plain = sleds[n - 1] as TestSled;
      const machine = await newMachine(join(directory, `machine-${n}`), plain, tls);
      const joined = makeSled(fleet.directory, n, [tls], {
        identity,
        sled: () => ({ config: machine.section }),
      });
      undo.defer(joined.stop);
      const joinAgain = async () => {
        const environment = nexus.environment();
        const invited = await runTestCli(['sled', 'invite', '--sled', plain.serial], { environment });
        expect(invited.exitCode, invited.err).toBe(0);
        const run = await machine.join(invited.out);
        expect(run, run.err).toMatchObject({ exitCode: 0 });
      };
      const startJoined = async () => {
        await joined.start();
        await until(async () => (await transportOf(nexus, plain)) === 'tls', 'it has an identity');
      };
      return { joined, joinAgain, startJoined };
    };
    const first = await rejoining(1);
    const inBetween = async () => {
      expect(await transportOf(nexus, sleds[1])).toBe('plain');
      // In the middle of the upgrade a release reaches both kinds of sleds.
      await nexus.upload(two);
      await waitComplete(nexus, two.systemVersion);
      for (const dataset of sleds.flatMap(({ datasets }) => datasets))
        expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(one, two));
      await untilDropped(nexus);
      expect(await reasonCodes(nexus)).toEqual(expect.arrayContaining(['SLEDS_PLAIN', 'PLAIN_LISTEN']));
      await wipeEach({ nexus, joined: first.joined, plain: sleds[1] }, one, two);
      // A process without the identity that takes over the address of the joined sled is not taken for it.
      await first.joined.stop();
      await sleds[0].start();
      await until(async () => (await sleds[0].log()).includes('SLED_NOT_PLAIN'), 'it is refused');
      expect(await transportOf(nexus, sleds[0])).toBe('tls');
      await sleds[0].stop();
      await first.joined.start();
    };
    await follow('A fleet without identities is upgraded', {
      ...{ fleet, nexus, directory },
      names: {
        BRM42220031: sleds[0].serial,
        BRM42220032: sleds[1].serial,
        'NEXUS-ID': '11111111-1111-4111-8111-111111111111',
        '10.0.0.1:12222': '127.0.0.1:0',
        '10.0.0.1:12221': '127.0.0.1:0',
      },
      elsewhere: {
        'nexus-1$ tuf-depot db migrate --config nexus.toml': async () => {
          const run = await runTestCli(['db', 'migrate', '--config', old]);
          expect(run, run.err).toMatchObject({ exitCode: 0 });
        },
        'nexus-1$ cat nexus.toml': () => readFile(join(fleet.directory, 'nexus-1', 'config.toml'), 'utf8'),
        'nexus-1$ systemctl start tuf-depot-nexus': async () => {
          await nexus.start();
          // The sleds registered before, and do so again and again without an approval.
          await until(
            async () => (await sleds[1].log()).includes('SLED_NOT_PLAIN'),
            'a registration is refused',
          );
        },
        'BRM42220031$ systemctl stop tuf-depot-sled-agent': sleds[0].stop,
        'BRM42220031$ tuf-depot sled-agent join --config sled-agent.toml -': first.joinAgain,
        'BRM42220031$ systemctl start tuf-depot-sled-agent': async () => {
          await first.startJoined();
          await inBetween();
          await sleds[1].stop();
          const second = await rejoining(2);
          await second.joinAgain();
          await second.startJoined();
        },
        'nexus-1$ systemctl restart tuf-depot-nexus': async () => {
          await until(async () => !(await reasonCodes(nexus)).includes('SLEDS_PLAIN'), 'no sled is plain');
          await nexus.stop();
          nexusConfig.plain_listen = undefined;
          await nexus.start();
        },
      },
    });
    expect(await reasonCodes(nexus)).not.toContain('PLAIN_LISTEN');
    await waitComplete(nexus, two.systemVersion);
    for (const dataset of sleds.flatMap(({ datasets }) => datasets))
      expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(one, two));
  },
  TIMEOUT_MS,
);

const reasonCodes = async ({ fleet }: TestNexus): Promise<readonly string[]> =>
  (await fleet.fleetStatus({}, wait)).reasons.map(({ code }) => code);

/** Each kind of sled loses its disks while no archive is left. */
const wipeEach = async (
  { nexus, joined, plain }: { nexus: TestNexus; joined: TestSled; plain: TestSled },
  one: TestRelease,
  two: TestRelease,
): Promise<void> => {
  // The only copies are on the plain sled.
  await joined.stop();
  await emptyDatasets(joined);
  await joined.start();
  await untilOnDisk(joined, one, two);
  // The other way round only an archive helps, and a reason says so.
  await plain.stop();
  await emptyDatasets(plain);
  await plain.start();
  const [{ sha256 }] = one.artifacts as [TestRelease['artifacts'][0]];
  await until(async () => {
    const { reasons: why } = await nexus.fleet.artifactView({ params: { sha256 } }, wait);
    return why.some(({ code }) => code === 'NO_PLAIN_SOURCE');
  }, 'the artifact has no source for the plain sled');
  await nexus.upload(one);
  await nexus.upload(two);
  await untilOnDisk(plain, one, two);
};

const emptyDatasets = async ({ datasets }: TestSled): Promise<void> => {
  for (const dataset of datasets) await rm(dataset, { recursive: true });
};

const untilOnDisk = async ({ serial, datasets }: TestSled, ...releases: TestRelease[]): Promise<void> => {
  for (const dataset of datasets)
    await until(
      async () => JSON.stringify(await artifactsOnDisk(dataset)) === JSON.stringify(hashesOf(...releases)),
      `${serial} has everything in ${dataset}`,
    );
};

const transportOf = async (
  nexus: TestNexus,
  { serial }: Pick<TestSled, 'serial'>,
): Promise<string | undefined> => {
  const { items } = await nexus.fleet.sledList({ query: {} }, wait);
  return items.find(sled => sled.serial === serial)?.transport;
};

/** The configuration of a sled as the page has it, with names of files that do not exist yet. */
const newMachine = async (home: string, sled: TestSled, internal: string) => {
  await mkdir(home, { recursive: true });
  const [certificate_file, key_file, ca_file] = ['certificate', 'key', 'ca'].map(name =>
    join(home, 'identity', `${name}.pem`),
  ) as [string, string, string];
  const section = { identity: { certificate_file, key_file, ca_file } };
  const config = join(home, 'sled-agent.toml');
  const file = { serial: sled.serial, nexus: [internal], datasets: [...sled.datasets], ...section };
  await writeFile(config, stringify(file));
  return {
    section,
    join: (token: string) =>
      runTestCli(['sled-agent', 'join', '--config', config, '-'], { stdin: Readable.from([token]) }),
  };
};
