/**
 * Writes an upgrade fixture: what `npm start` of this version leaves behind, as text that later versions start from.
 *
 *     bin/node24 test/upgrade/write-fixture.ts
 *
 *     start (2 Nexuses, 3 sleds) ─▶ 1.0.0, 1.1.0 complete ─▶ 1.0.0 deleted ─▶ 1.2.0 reaches one sled ─▶ stop
 *
 * It makes `test/upgrade/schema-<version>/`, and never changes one that is there:
 *
 *     schema.sql       of this version
 *     rows.sql         of every table
 *     files.json       what is in the directories of Nexuses and sleds: a text, or bytes that `contents` has once
 *     releases.json    the artifacts of each release; 1.3.0, under the same root, with its archive, for the upgraded fleet
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/lib/log.ts';
import { startEmbeddedPostgres } from '../../src/local-fleet/embedded-postgres/embedded-postgres.ts';
import { SCHEMA_VERSION } from '../../src/nexus/datastore/schema-version.ts';
import { makeTestRelease, type TestRelease } from '../../src/signing/release.fixture.ts';
import { until } from '../fleet-process.fixture.ts';
import { hashesOf } from '../fleet-state.fixture.ts';
import { filesBelow, type StartedFleet, startDirectory, untilGone } from '../started-fleet.fixture.ts';
import { dumpRows } from './rows.ts';

const makeReleases = async (directory: string): Promise<TestRelease[]> => {
  const releases: TestRelease[] = [];
  for (const [n, systemVersion] of ['1.0.0', '1.1.0', '1.2.0', '1.3.0'].entries()) {
    releases.push(
      await makeTestRelease(directory, {
        systemVersion,
        artifacts: [{ seed: 'of-all', sizeBytes: 600 }, 300, 200],
        versions: { timestamp: n + 1, snapshot: n + 1, targets: n + 1 },
        ...(n === 0 ? {} : { keys: releases[0]!.keys }),
      }),
    );
  }
  return releases;
};

/**
 * 1.1.0 is on every sled, 1.0.0 was and is deleted. Of 1.2.0 Nexus still has the archive: two sleds have an older config
 * than the database, one has the same.
 */
const live = async (fleet: StartedFleet, [first, second, staged]: readonly TestRelease[]): Promise<void> => {
  await fleet.json('trust-root', 'add', first!.path);
  for (const release of [first!, second!]) await fleet.json('repo', 'upload', release.path, '--wait');
  await fleet.json('repo', 'delete', first!.systemVersion);
  const staging = join(fleet.directory, 'nexus-1', 'staging');
  await until(
    async () => !(await filesBelow(staging)).some(name => name.endsWith('.zip')),
    'no archive is left',
  );
  await until(async () => {
    const held = (await Promise.all(fleet.sleds.flatMap(sled => sled.datasets).map(filesBelow))).flat();
    return hashesOf(first!).every(hash => hashesOf(second!).includes(hash) || !held.includes(hash));
  }, 'the artifacts of 1.0.0 are deleted');
  const [reached, ...frozen] = fleet.sleds;
  for (const { pid } of frozen) process.kill(pid, 'SIGSTOP');
  try {
    await fleet.json('repo', 'upload', staged!.path);
    await until(async () => {
      const held = await Promise.all(reached!.datasets.map(filesBelow));
      return held.every(names => hashesOf(staged!).every(hash => names.includes(hash)));
    }, 'one sled holds 1.2.0');
    fleet.interrupt();
    await untilGone(fleet.nexuses.map(({ pid }) => pid));
  } finally {
    for (const { pid } of frozen) process.kill(pid, 'SIGCONT');
  }
  if ((await fleet.exited) !== 0) throw new Error('start did not end as it should');
};

/** Configurations, locks and logs are of one start. */
const OF_ONE_START = /\.toml$|(^|\/)lock$|(^|\/)ready\.json$/;

const readFiles = async (directory: string) => {
  const files: Record<string, { text: string } | { content: string }> = {};
  const contents: Record<string, string> = {};
  for (const path of await filesBelow(directory)) {
    if (!/^(nexus|sled)-\d+\//.test(path) || OF_ONE_START.test(path)) continue;
    const bytes = await readFile(join(directory, path));
    const text = bytes.toString();
    if (/^[\t\n\x20-\x7e]*$/.test(text)) {
      files[path] = { text };
      continue;
    }
    const content = createHash('sha256').update(bytes).digest('hex');
    contents[content] = bytes.toString('base64');
    files[path] = { content };
  }
  return { files, contents };
};

const describeReleases = async (releases: readonly TestRelease[]) => ({
  artifacts: Object.fromEntries(releases.map(release => [release.systemVersion, hashesOf(release)])),
  archives: { '1.3.0': (await readFile(releases[3]!.path)).toString('base64') },
});

const write = async (path: string, value: object) =>
  await writeFile(path, `${JSON.stringify(value, null, 1)}\n`);

const target = join(import.meta.dirname, `schema-${String(SCHEMA_VERSION).padStart(3, '0')}`);
await mkdir(target);
const work = await mkdtemp(join(tmpdir(), 'tuf-depot-upgrade-'));
try {
  const directory = join(work, 'data');
  const releases = await makeReleases(work);
  {
    await using fleet = await startDirectory(directory, '--nexuses', '2', '--sleds', '3');
    await live(fleet, releases);
  }
  const signal = new AbortController().signal;
  {
    const dataDirectory = join(directory, 'postgres');
    await using database = await startEmbeddedPostgres({ dataDirectory, log: silentLogger, signal });
    await writeFile(join(target, 'rows.sql'), await dumpRows(database.connection));
  }
  await copyFile(join(import.meta.dirname, '../../schema/schema.sql'), join(target, 'schema.sql'));
  await write(join(target, 'files.json'), await readFiles(directory));
  await write(join(target, 'releases.json'), await describeReleases(releases));
} finally {
  await rm(work, { recursive: true, force: true });
}
