/**
 * Synchronous replication: a commit that waits for the standby can be cancelled, by an operator or by a time limit.
 * PostgreSQL then answers it as committed, with a warning, although the standby has not got it.
 */
import { expect, test } from 'vitest';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { readWanted } from '../fleet-audit.ts';
import { until } from '../fleet-process.fixture.ts';
import { startFailoverFleet, untilConverged } from './failover-fleet.fixture.ts';

const WAITING = `FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'tuf-depot'`;

test('an upload whose commit is cancelled while it waits for the standby is not acknowledged before the standby has it', async () => {
  await using failed = await startFailoverFleet({ synchronous: true });
  const { fleet, pair, nexuses, makeReleases } = failed;
  const [release] = await makeReleases('1.0.0');
  await nexuses[0].trust(release!);
  pair.replication.setRefusing(true);
  let answer = 'none';
  const uploaded = nexuses[0].upload(release!).then(
    () => {
      answer = 'acknowledged';
    },
    error => {
      answer = errorCodeOf(error);
    },
  );
  // Each cancelled commit is visible at this primary, and at no other.
  await until(async () => {
    await pair.primary().query(`SELECT pg_cancel_backend(pid) ${WAITING}`);
    return (await readWantedAt(failed)).includes(release!.systemVersion);
  }, 'the commit of the upload is cancelled');
  const cancels = [1, 2, 3, 4, 5];
  for (const _ of cancels) {
    await until(async () => {
      const rows = await pair.primary().query(`SELECT pg_cancel_backend(pid) ${WAITING}`);
      return rows.length > 0;
    }, 'a commit waits for the standby again, and is cancelled');
    expect(answer).not.toBe('acknowledged');
  }

  await pair.primary().kill();
  await pair.failOver();
  await uploaded;
  // The same upload goes on or is asked again, and then it is there.
  if (answer !== 'acknowledged')
    await until(async () => Boolean(await nexuses[1].upload(release!)), 'it is uploaded');
  expect((await readWanted(fleet)).versions).toEqual([release!.systemVersion]);
  await pair.rebuildStandby();
  await untilConverged(fleet);
});

const readWantedAt = async ({ pair }: Awaited<ReturnType<typeof startFailoverFleet>>): Promise<string[]> => {
  const rows = await pair.primary().query<{ system_version: string }>('SELECT system_version FROM tuf_repo');
  return rows.map(row => row.system_version);
};
