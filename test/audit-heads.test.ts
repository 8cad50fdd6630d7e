/** An audit log that is cut in the database, with real processes: the sleds know its head (T6a). */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runTestCli } from '../src/cli/run.fixture.ts';
import { testFleetIdentity } from '../src/identity/identity.fixture.ts';
import type { TestNexus } from './fleet-members.fixture.ts';
import { until } from './fleet-process.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const cli = (fleet: TestFleet, ...args: readonly string[]) =>
  runTestCli(args, {
    environment: {
      TUF_DEPOT_URL: `https://${fleet.nexuses[0]!.operatorAddress()}`,
      TUF_DEPOT_TOKEN_FILE: join(fleet.directory, 'token'),
      TUF_DEPOT_CA_FILE: caFileOf(fleet),
    },
  });
const caFileOf = ({ directory }: TestFleet): string => join(directory, 'ca.pem');
const makeEntries = async (fleet: TestFleet, count: number): Promise<void> => {
  const create = ['token', 'create', '--role', 'viewer', '--for', '1d', '--description', 'one more'];
  for (let made = 0; made < count; made += 1)
    expect(await cli(fleet, ...create)).toMatchObject({ exitCode: 0 });
};
type Row = { readonly seq: string; readonly hash: string };
const headOf = async ({ database }: TestFleet): Promise<Row> => {
  const [row] = await database.query<Row>('SELECT seq, hash FROM audit_entry ORDER BY seq DESC LIMIT 1');
  expect(row).toBeDefined();
  return row!;
};
/** As somebody does who owns the database: the log and its head stay consistent. */
const cutTo = async ({ database }: TestFleet, seq: number): Promise<void> => {
  await database.query('DELETE FROM audit_entry WHERE seq > $1', [seq]);
  await database.query(
    'UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM audit_entry WHERE seq = $1)',
    [seq],
  );
};
const task = (nexus: TestNexus) =>
  nexus.debug.bgtaskView({ params: { bgtask_name: 'audit_heads' } }, { signal: AbortSignal.timeout(10_000) });
/** By the task of a Nexus: each sled was told entry `seq`. */
const areTold = (nexus: TestNexus, seq: number): Promise<void> =>
  until(async () => {
    const { last } = await task(nexus);
    if (last.last_result !== 'completed') return false;
    expect(last.details.details).toMatchObject({ newest_entry: seq, waiting: [] });
    return true;
  }, `the sleds are told entry ${seq}`);

test('a log cut in the database is named by the heads of the sleds, and so is what is written in place of its entries (T6a)', async () => {
  const identity = testFleetIdentity();
  await using fleet = await startTestFleet({ sleds: 2, minSledReplication: 1, identity });
  await writeFile(caFileOf(fleet), identity.authority.certificate.toString());
  const nexus = fleet.nexuses[0]!;
  await makeEntries(fleet, 4);
  const { seq, hash } = await headOf(fleet);
  await areTold(nexus, Number(seq));
  const whole = await cli(fleet, 'audit', 'verify');
  expect(whole).toMatchObject({ exitCode: 0, err: '' });
  expect(whole.out).toContain('2 sleds were asked');

  await cutTo(fleet, Number(seq) - 2);
  const serials = fleet.sleds.map(sled => sled.serial);
  const cut = await cli(fleet, 'audit', 'verify');
  expect(cut.exitCode).toBe(1);
  expect(cut.out).toContain(`it ends before entry ${seq}, whose hash was ${hash}`);
  for (const serial of serials) expect(cut.out).toContain(`${serial} (told at `);

  // The log grows past the cut, Nexus and sleds start again: the sleds still know.
  await makeEntries(fleet, 4);
  await areTold(nexus, Number(seq) + 2);
  await nexus.kill();
  await fleet.sleds[0]!.kill();
  await fleet.sleds[0]!.start();
  await fleet.sleds[1]!.stop();
  await nexus.start();
  let fork: { readonly asked: readonly unknown[] } | undefined;
  await until(async () => {
    fork = JSON.parse((await cli(fleet, 'audit', 'verify', '--json')).out);
    return fork?.asked.length === 1;
  }, 'the sled that was started again is asked');
  expect(fork).toMatchObject({
    state: 'contradicted',
    findings: [{ kind: 'fork', seq: Number(seq), hash, sleds: [{ serial: serials[0] }] }],
    not_asked: [{ serial: serials[1] }],
  });
}, 240_000);
