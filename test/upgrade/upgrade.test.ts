/**
 * Data directories that earlier versions of `npm start` left behind are started by this one.
 *
 * Each has a folder of its own, `schema-<version>`. Sleds have the artifacts of 1.1.0; those of 1.0.0, which was deleted,
 * are gone. One sled and an archive in staging have 1.2.0.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SCHEMA_VERSION } from '../../src/nexus/datastore/schema-version.ts';
import { until } from '../fleet-process.fixture.ts';
import { activateReplication, artifactsOnDisk } from '../fleet-state.fixture.ts';
import { filesBelow, type StartedFleet, startDirectory } from '../started-fleet.fixture.ts';
import { makeEarlierDirectory, restoreEarlierDatabase } from './earlier-directory.ts';

const TIMEOUT_MS = 240_000;

const datasetsOf = (directory: string): string[] =>
  [1, 2, 3].flatMap(n => ['m2-a', 'm2-b'].map(name => join(directory, `sled-${n}`, name)));

const heldIn = (directory: string): Promise<string[][]> =>
  Promise.all(datasetsOf(directory).map(artifactsOnDisk));

const generationOf = async (fleet: StartedFleet): Promise<number> =>
  ((await fleet.json('recover', 'generation')) as { generation: number }).generation;

/** Well, with exactly these artifacts on each dataset, and no archive left. */
const untilHeld = (fleet: StartedFleet, hashes: readonly string[]): Promise<void> =>
  until(async () => {
    for (const held of await heldIn(fleet.directory)) expect(held).toEqual(hashes);
    const staged = await Promise.all(
      fleet.nexuses.map(({ name }) => filesBelow(join(fleet.directory, name, 'staging'))),
    );
    expect(staged.flat().filter(name => name.endsWith('.zip'))).toEqual([]);
    expect(await fleet.json('status')).toMatchObject({ verdict: 'ok' });
    return true;
  }, 'every sled holds what it should, and the status is ok');

const untilDiverged = (fleet: StartedFleet): Promise<void> =>
  until(async () => {
    const { reasons } = JSON.parse((await fleet.run('status', '--json')).out) as {
      reasons: { code: string }[];
    };
    const diverged = reasons.filter(({ code }) => code === 'SLED_DIVERGED');
    return diverged.length === fleet.sleds.length;
  }, 'every sled is diverged');

/** Events from before schema version 39 have a text in the place of facts. */
const expectTextsUnchanged = async (fleet: StartedFleet): Promise<void> => {
  const rows = await fleet.query<{ id: string; message: string }>(
    'SELECT id, message FROM fleet_event WHERE details IS NULL AND message IS NOT NULL',
  );
  expect(rows.length).toBeGreaterThan(0);
  const shown = (await fleet.json('history', '--limit', '1000')) as { id: string }[];
  expect(shown).toEqual(
    expect.arrayContaining(
      rows.map(({ id, message }) =>
        expect.objectContaining({ id, message, details: { kind: 'legacy', text: message } }),
      ),
    ),
  );
};

const earlierVersions = (await readdir(import.meta.dirname)).filter(name => /^schema-\d{3}$/.test(name));

test.for(earlierVersions)(
  'a data directory of %s is migrated at its start and goes on: every artifact stays, the archive in staging is replicated, a release is uploaded and one deleted',
  { timeout: TIMEOUT_MS },
  async schema => {
    const work = await mkdtemp(join(tmpdir(), 'tuf-depot-upgrade-'));
    await using undo = new AsyncDisposableStack();
    undo.defer(() => rm(work, { recursive: true, force: true }));
    const directory = join(work, 'data');
    const releases = await makeEarlierDirectory(schema, directory);
    const before = await heldIn(directory);
    expect(before).toEqual([
      ...Array(2).fill(releases.hashesOf('1.1.0', '1.2.0')),
      ...Array(4).fill(releases.hashesOf('1.1.0')),
    ]);

    const fleet = undo.use(await startDirectory(directory));
    expect([fleet.nexuses.length, fleet.sleds.length]).toEqual([2, 3]);
    const migrated = await fleet.query<{ version: string }>('SELECT version FROM schema_version');
    expect(Number(migrated[0]?.version)).toBe(SCHEMA_VERSION);
    await untilHeld(fleet, releases.hashesOf('1.1.0', '1.2.0'));
    const history = JSON.stringify(await fleet.json('history', '--release', '1.2.0'));
    expect(history).toContain('release_recorded');
    await expectTextsUnchanged(fleet);
    expect(await fleet.json('sled', 'list'), 'no sled has deleted anything').toMatchObject(
      Array(3).fill({ deletions_total: 0 }),
    );

    const generation = await generationOf(fleet);
    const archive = await releases.writeArchive('1.3.0', work);
    await fleet.json('repo', 'upload', archive, '--wait');
    await untilHeld(fleet, releases.hashesOf('1.1.0', '1.2.0', '1.3.0'));
    await fleet.json('repo', 'delete', '1.1.0');
    await untilHeld(fleet, releases.hashesOf('1.2.0', '1.3.0'));
    expect(await generationOf(fleet)).toBe(generation + 2);
    await fleet.stop();

    const again = undo.use(await startDirectory(directory));
    await untilHeld(again, releases.hashesOf('1.2.0', '1.3.0'));
    await again.stop();
  },
);

test.for(earlierVersions)(
  'a backup of %s that is restored after the upgrade is migrated again, and what it lost stays on the sleds until it is recovered (P13)',
  { timeout: TIMEOUT_MS },
  async schema => {
    const work = await mkdtemp(join(tmpdir(), 'tuf-depot-upgrade-'));
    await using undo = new AsyncDisposableStack();
    undo.defer(() => rm(work, { recursive: true, force: true }));
    const directory = join(work, 'data');
    const releases = await makeEarlierDirectory(schema, directory);
    const archive = await releases.writeArchive('1.3.0', work);
    const all = releases.hashesOf('1.1.0', '1.2.0', '1.3.0');
    const upgraded = undo.use(await startDirectory(directory));
    await upgraded.json('repo', 'upload', archive, '--wait');
    await untilHeld(upgraded, all);
    await upgraded.stop();
    await restoreEarlierDatabase(schema, directory);

    const restored = undo.use(await startDirectory(directory));
    await untilDiverged(restored);
    // As many changes as the backup lost, and one more.
    for (const version of ['1.1.0', '1.2.0']) await restored.json('repo', 'delete', version);
    for (const nexus of restored.nexuses) await activateReplication(nexus);
    expect(await heldIn(directory)).toEqual(Array(6).fill(all));
    await untilDiverged(restored);

    await restored.json('repo', 'upload', archive);
    await restored.json('recover', 'generation', '--apply', '--give-up', '1.1.0', '--give-up', '1.2.0');
    await untilHeld(restored, releases.hashesOf('1.3.0'));
    await restored.stop();
  },
);
