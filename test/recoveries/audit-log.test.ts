/** A database restored from a backup has lost entries of the audit log: the recovery says which, and explains them. */
import { expect, test } from 'vitest';
import { runTestCli } from '../../src/cli/run.fixture.ts';
import { until } from '../fleet-process.fixture.ts';
import { environmentOf } from './follow.ts';
import { startSituation, untilHeadTold, uploadAndLetGo } from './situation.ts';
import { keepBackup, restoreBackup } from './yesterday.ts';

test('audit verify reports the cut of a restored database until a recovery explains it, and names that entry from then on (T6a)', async () => {
  await using situation = await startSituation({ sleds: 2 });
  const { fleet, nexus, makeRelease } = situation;
  const run = (...args: string[]) => runTestCli(args, { environment: environmentOf(situation) });
  await keepBackup(fleet.database);
  await uploadAndLetGo(nexus, await makeRelease('2.0.0'));
  const [head] = await fleet.database.query<{ seq: string; hash: string }>(
    'SELECT seq, hash FROM audit_head',
  );
  await untilHeadTold(nexus, fleet.database);
  await nexus.stop();
  await restoreBackup(fleet.database);
  await nexus.start();

  const cut = await run('audit', 'verify');
  expect(cut.exitCode).toBe(1);
  expect(cut.out).toContain(`it ends before entry ${head!.seq}, whose hash was ${head!.hash}`);
  expect(cut.out).not.toContain('explains it');

  let points: readonly { generation: number; config_digest: string }[] = [];
  await until(async () => {
    points = JSON.parse((await run('recover', 'generation', '--json')).out).points;
    return points.length > 0;
  }, 'the sleds have diverged');
  const { generation, config_digest } = points[0]!;
  const recovery = ['recover', 'generation', '--give-up', `${generation}:${config_digest}`, '--apply'];
  expect(await run(...recovery)).toMatchObject({ exitCode: 0 });
  const explained = await run('audit', 'verify');
  expect(explained).toMatchObject({ exitCode: 0, err: '' });
  expect(explained.out).toContain(head!.hash);
  expect(explained.out).toMatch(/Entry \d+, a recovery of a database, explains it\./);
  expect((await run('audit', 'list')).out).toContain(`entry ${head!.seq} (${head!.hash})`);
}, 240_000);
