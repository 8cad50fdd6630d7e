/**
 * A backup of the database of `npm start` is restored, and the database then goes past the sleds: the same as a failover
 * that loses commits, on the smallest fleet that there is.
 */
import { execFile } from 'node:child_process';
import { realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/session/exit-code.ts';
import { fleetPaths } from '../../src/local-fleet/data-directory.ts';
import type { TestRelease } from '../../src/signing/release.fixture.ts';
import { until } from '../fleet-process.fixture.ts';
import { type StartedFleet, startDirectory } from '../started-fleet.fixture.ts';
import { expectKeptForRounds, expectOnDisk } from './failover-fleet.fixture.ts';
import { recover } from './recovery.fixture.ts';
import { releaseMaker } from './releases.fixture.ts';
import { makeTestDirectory } from './test-directory.fixture.ts';

/** With owners and modes; the database has to be stopped. */
const copyFolder = async (from: string, to: string): Promise<void> => {
  await rm(to, { recursive: true, force: true });
  await promisify(execFile)('cp', ['-a', from, to]);
};

const uploadAll = async (fleet: StartedFleet, releases: readonly TestRelease[]): Promise<void> => {
  for (const { path } of releases) await fleet.json('repo', 'upload', path, '--wait');
};

const generationOf = async (fleet: StartedFleet): Promise<number> =>
  ((await fleet.json('recover', 'generation')) as { generation: number }).generation;

const untilVerdict = (fleet: StartedFleet, verdict: string, ...codes: readonly string[]): Promise<void> =>
  until(async () => {
    const { out } = await fleet.run('status', '--json');
    const status = JSON.parse(out) as { verdict: string; reasons: { code: string }[] };
    for (const code of codes) expect(status.reasons.map(reason => reason.code)).toContain(code);
    expect(status.verdict).toBe(verdict);
    return true;
  }, `the verdict is ${verdict}`);

test('releases of npm start that a restored backup does not list stay on every sled, although three more are uploaded, until they are recovered (P13)', async () => {
  await using undo = new AsyncDisposableStack();
  const { path: work } = undo.use(await makeTestDirectory());
  const directory = join(work, 'fleet');
  const { makeReleases } = releaseMaker(work);
  const before = await makeReleases('1.0.0');
  const lost = await makeReleases('2.0.0', '2.1.0');
  const after = await makeReleases('3.0.0', '3.1.0', '3.2.0');
  const start = async () => undo.use(await startDirectory(directory, '--sleds', '3'));

  const first = await start();
  await first.json('trust-root', 'add', before[0]!.path);
  await uploadAll(first, before);
  await first.stop();
  const database = await realpath(join(fleetPaths(directory).postgres, 'data'));
  await copyFolder(database, join(work, 'backup'));
  const second = await start();
  await uploadAll(second, lost);
  await untilVerdict(second, 'ok');
  const acknowledged = await generationOf(second);
  await second.stop();
  await copyFolder(join(work, 'backup'), database);

  const third = await start();
  await untilVerdict(third, 'degraded', 'SLED_DIVERGED');
  for (const { path } of after)
    expect(await third.run('repo', 'upload', path)).toMatchObject({ exitCode: exitCodes.ok });
  expect(await generationOf(third)).toBeGreaterThan(acknowledged);
  await expectKeptForRounds(third, [...before, ...lost]);
  await untilVerdict(third, 'degraded', 'SLED_DIVERGED');

  const [again, givenUp] = [lost.slice(0, 1), lost.slice(1)];
  await recover(third, { again, givenUp, deleted: [], present: [...before, ...after] });
  await untilVerdict(third, 'ok');
  await expectOnDisk(third, [...before, ...again, ...after]);
  await third.stop();
});
