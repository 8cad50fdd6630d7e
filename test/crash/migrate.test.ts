/** `tuf-depot db migrate` on an empty database, killed before each statement that it sends, and run again. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'smol-toml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../src/nexus/datastore/database.fixture.ts';
import { describeSchema, runStatements } from '../../src/nexus/datastore/schema-description.fixture.ts';
import { choosePoints, createKillSwitch, type KillSwitch, report } from './crash-points.ts';

const PROGRAM = join(import.meta.dirname, '../../src/cli/main.ts');
const SCHEMA_FILE = new URL('../../schema/schema.sql', import.meta.url);
const STATEMENTS = /^sql/;

let directory: string;
let killer: KillSwitch;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-crash-'));
  killer = createKillSwitch(directory, 'migrate', () => [directory]);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const migrate = async ({
  connection,
}: TestDatabase): Promise<{ code: number | null; signal: string | null }> => {
  const config = join(directory, 'nexus.toml');
  await writeFile(config, stringify({ staging_directory: directory, database: { url: connection } }));
  const args = [...killer.nodeArguments, PROGRAM, 'db', 'migrate', '--config', config];
  const [code, signal] = await once(spawn(process.execPath, args, { stdio: 'ignore' }), 'exit');
  return { code, signal };
};

test('a migration, killed before each statement: run again it makes the schema of schema.sql (S14)', async () => {
  await using whole = await createTestDatabase({ migrated: false });
  await runStatements(whole, await readFile(SCHEMA_FILE, 'utf8'));
  const expected = await describeSchema(whole);

  await killer.armStart({ match: STATEMENTS, at: null });
  {
    await using database = await createTestDatabase({ migrated: false });
    expect(await migrate(database)).toEqual({ code: 0, signal: null });
    expect(await describeSchema(database)).toEqual(expected);
  }
  const steps = await killer.steps();
  const points = choosePoints(steps.length, 9);
  for (const at of points) {
    await using database = await createTestDatabase({ migrated: false });
    await killer.armStart({ match: STATEMENTS, at });
    expect(await migrate(database)).toEqual({ code: null, signal: 'SIGKILL' });
    await killer.disarm();
    expect(await migrate(database), `after a kill before ${steps[at - 1]}`).toEqual({
      code: 0,
      signal: null,
    });
    expect(await describeSchema(database), `after a kill before ${steps[at - 1]}`).toEqual(expected);
  }
  report('a migration of an empty database', steps, points);
}, 1_200_000);
