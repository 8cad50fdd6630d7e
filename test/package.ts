/**
 * The package as a user gets it: packed, installed globally into an empty prefix, and run under each Node that npm may have.
 *
 *     npm run test:package
 *
 * It needs the registry, for Node 20, 22 and 24, and for the dependencies of the package.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..');
/** Beside the machine's own. */
const NODES = ['20', '22', '24'];
/** What it must not carry: tests, the simulator, maps without their sources. */
const UNWANTED = /\.(test|fixture)\.js$|\/test-[^/]*\.js$|\/sim\/|\.map$|\.d\.ts$/;

/** Without what npm puts in front for a script: there the bundled Node would be found first. */
const OWN_PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter(each => !each.endsWith('node_modules/.bin'));
const MAX_OUTPUT = 2 ** 24;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

type Packed = {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { path: string }[];
};

const pack = async (directory: string): Promise<string> => {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory], {
    cwd: ROOT,
    maxBuffer: MAX_OUTPUT,
  });
  const [packed] = JSON.parse(stdout) as [Packed];
  const unwanted = packed.files.filter(({ path }) => UNWANTED.test(path));
  if (unwanted.length > 0)
    throw new Error(`the package has what nobody runs: ${unwanted.map(each => each.path).join(', ')}`);
  for (const path of ['dist/cli/main.js', 'bin/tuf-depot', 'schema/schema.sql'])
    if (!packed.files.some(each => each.path === path)) throw new Error(`the package lacks ${path}`);
  say(`${packed.filename}: ${packed.files.length} files, ${packed.size} bytes`);
  return join(directory, packed.filename);
};

/** A directory with that `node` alone; undefined where the registry does not have it. */
const installNode = async (directory: string, major: string): Promise<string | undefined> => {
  const prefix = join(directory, `node-${major}`);
  await mkdir(prefix);
  await writeFile(join(prefix, 'package.json'), '{}');
  const name = `node-linux-${arch()}`;
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', `${name}@${major}`], { cwd: prefix });
  } catch (error) {
    say(`Node ${major} not tried: npm cannot install it (${String(error).split('\n')[0]})`);
    return undefined;
  }
  return join(prefix, 'node_modules', name, 'bin');
};

/** @param bin what comes first in PATH; undefined for the machine's own Node */
const tryUnder = async (prefix: string, bin: string | undefined, tarball: string) => {
  const env = { ...process.env, PATH: [...(bin === undefined ? [] : [bin]), ...OWN_PATH].join(delimiter) };
  const options = { env, cwd: directory, maxBuffer: MAX_OUTPUT };
  await run('npm', ['install', '--global', '--no-audit', '--no-fund', '--prefix', prefix, tarball], options);
  const program = join(prefix, 'bin', 'tuf-depot');
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const shown = (await run(program, ['--version'], options)).stdout.trim();
  const node = (await run('node', ['--version'], options)).stdout.trim();
  if (shown !== version) throw new Error(`under Node ${node} it is version ${shown}, and not ${version}`);
  say(`Node ${node}: installed into an empty prefix, and runs`);
  return { program, options };
};

const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-package-'));
try {
  const tarball = await pack(directory);
  const { program, options } = await tryUnder(join(directory, 'own'), undefined, tarball);
  for (const major of NODES) {
    const bin = await installNode(directory, major);
    if (bin !== undefined) await tryUnder(join(directory, `prefix-${major}`), bin, tarball);
  }
  // A whole fleet from the installed files: engine, workers and migrations are found.
  await run(program, ['demo', '--sleds', '2'], options);
  say('the demo of an installed package held');
} finally {
  await rm(directory, { recursive: true, force: true });
}
