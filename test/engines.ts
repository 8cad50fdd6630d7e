/**
 * Runs every test of the database (`*.pg.test.ts`) on each PostgreSQL that this machine has or npm brings:
 *
 *     npm run test:engines                 # PostgreSQL 15 to 18
 *     npm run test:engines -- 16 17        # some of them
 *
 * The system's own are those in /usr/lib/postgresql, as Debian installs them; the others are the packages that the
 * embedded one comes from, in a temporary directory. Ends with a table, and with status 1 where a test failed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/lib/log.ts';
import {
  findPostgresBinaries,
  type PostgresBinaries,
} from '../src/local-fleet/embedded-postgres/binaries.ts';
import { startEmbeddedPostgres } from '../src/local-fleet/embedded-postgres/embedded-postgres.ts';
import { queryOnce } from './postgres-for-tests.ts';

const SYSTEM_DIRECTORY = '/usr/lib/postgresql';
const PACKAGE = `@embedded-postgres/linux-${process.arch}`;
/** Beside the installed one. */
const PACKAGED = ['15.18.0-beta.17', '16.14.0-beta.17', '17.10.0-beta.17'];

type Engine = { readonly name: string; readonly major: string; readonly binaries: PostgresBinaries };
type Result = {
  readonly engine: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
};

const systemEngines = async (): Promise<Engine[]> => {
  const majors = await readdir(SYSTEM_DIRECTORY).catch(() => []);
  const engines = majors.map(major => ({
    name: 'of the system',
    major,
    binaries: { nativeDirectory: join(SYSTEM_DIRECTORY, major), version: `system-${major}` },
  }));
  const complete = await Promise.all(
    engines.map(async engine => {
      const files = ['initdb', 'postgres'].map(file =>
        access(join(engine.binaries.nativeDirectory, 'bin', file)),
      );
      return Promise.all(files).then(
        () => [engine],
        () => [],
      );
    }),
  );
  return complete.flat();
};

/** Installed where nothing of the project sees it; no install script runs. */
const packagedEngine = (version: string, directory: string): Engine | undefined => {
  const prefix = join(directory, version);
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund', `${PACKAGE}@${version}`],
    { encoding: 'utf8' },
  );
  if (status !== 0) {
    process.stderr.write(
      `skipped: PostgreSQL ${version}: npm install failed: ${stderr.trim().split('\n')[0]}\n`,
    );
    return undefined;
  }
  const nativeDirectory = join(prefix, 'node_modules', PACKAGE, 'native');
  return { name: `npm ${version}`, major: version.split('.')[0]!, binaries: { nativeDirectory, version } };
};

const runTests = async ({ name, binaries }: Engine, directory: string): Promise<Result> => {
  await using server = await startEmbeddedPostgres({
    dataDirectory: join(directory, `data-${binaries.version}`),
    fsync: false,
    binaries,
    log: silentLogger,
    signal: new AbortController().signal,
  });
  const [row] = await queryOnce<{ version: string }>(server.connection, 'SELECT version() AS version');
  const engine = `${row?.version.split(' ').slice(0, 2).join(' ')} (${name})`;
  process.stdout.write(`\n== ${engine}\n`);
  const report = join(directory, `report-${binaries.version}.json`);
  const child = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      'pg.test',
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { stdio: 'inherit', env: { ...process.env, TUF_DEPOT_TEST_DATABASE_URL: server.connection } },
  );
  await once(child, 'exit');
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(
    await readFile(report, 'utf8'),
  ) as Record<string, number>;
  return {
    engine,
    passed: numPassedTests ?? 0,
    failed: numFailedTests ?? 0,
    skipped: numPendingTests ?? 0,
  };
};

const wanted = process.argv.slice(2);
const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-engines-'));
try {
  const isWanted = (major: string) => wanted.length === 0 || wanted.includes(major);
  const installed = await findPostgresBinaries();
  const packaged = PACKAGED.filter(version => isWanted(version.split('.')[0]!));
  const engines = [
    ...(await systemEngines()),
    ...packaged.flatMap(version => packagedEngine(version, directory) ?? []),
    { name: `npm ${installed.version}`, major: installed.version.split('.')[0]!, binaries: installed },
  ].filter(({ major }) => isWanted(major));
  const results: Result[] = [];
  for (const engine of engines) results.push(await runTests(engine, directory));
  process.stdout.write('\n| engine | passed | failed | skipped |\n|---|---|---|---|\n');
  for (const { engine, passed, failed, skipped } of results)
    process.stdout.write(`| ${engine} | ${passed} | ${failed} | ${skipped} |\n`);
  if (results.length === 0 || results.some(({ passed, failed }) => failed > 0 || passed === 0))
    process.exitCode = 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
