/**
 * Keeps the structure: who may import whom, how large files and functions are, and habits that no linter knows.
 * The rules are docs/ARCHITECTURE.md's table of folders; change both together.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** What each folder of src may import: folders or files of src, `node:` or one of its modules, `npm` or one package. */
const rules: Record<string, readonly string[]> = {
  lib: ['node:', 'npm'],
  core: ['zod'],
  tuf: ['core', 'lib/errors', 'lib/error-codes', 'node:crypto', 'node:assert/strict', 'zod'],
  archive: ['lib', 'node:zlib', 'node:crypto', 'node:assert/strict'],
  composite: ['core', 'archive', 'lib', 'node:zlib', 'node:crypto', 'zod'],
  verify: ['core', 'tuf', 'archive', 'composite', 'lib', 'node:', 'zod'],
  'tuf-client': ['tuf', 'source', 'lib', 'node:'],
  source: ['core', 'tuf', 'archive', 'verify', 'http', 'lib', 'node:', 'zod'],
  release: ['core', 'tuf', 'archive', 'lib', 'node:', 'zod'],
  api: ['core/ids', 'lib/error-codes', 'lib/errors', 'zod'],
  http: ['api', 'lib', 'core/ids', 'node:', 'npm'],
  nexus: ['core', 'tuf', 'archive', 'composite', 'verify', 'source', 'api', 'http', 'lib', 'node:', 'npm'],
  'sled-agent': ['core', 'tuf', 'archive', 'api', 'http', 'lib', 'node:', 'zod'],
  fleet: ['core', 'release', 'api', 'http', 'lib', 'node:', 'zod', 'smol-toml'],
  sim: [
    'core',
    'tuf',
    'archive',
    'composite',
    'verify',
    'release',
    'api',
    'nexus',
    'sled-agent',
    'lib',
    // Leaves without a server or a connection: handlers are called without HTTP.
    'http/handlers',
    'http/progress',
    'http/file-body',
    'node:crypto',
    'zod',
  ],
  cli: [
    'core',
    'tuf',
    'archive',
    'verify',
    'source',
    'tuf-client',
    'release',
    'api',
    'http',
    'lib',
    'fleet',
    'node:',
    'commander',
    'zod',
    'semver',
  ],
};
/** The only ways into a server for the command line: its entry, its configuration, the migrations, and a sled's reset. */
const cliEntries = [
  'nexus/process/main',
  'nexus/process/config',
  'nexus/datastore/migrate',
  'nexus/datastore/connection',
  'sled-agent/main',
  'sled-agent/config',
  'sled-agent/reset',
];
/** Entries of processes, and the way to a real database: the simulator has neither. */
const simMayNotImport = ['nexus/process/main', 'sled-agent/main', 'nexus/datastore/connection'];
/** Who may use these packages; nobody else. */
const exclusivePackages: Record<string, string> = {
  fastify: 'http',
  undici: 'http',
  pg: 'nexus/datastore',
  kysely: 'nexus/datastore',
};
const simMayNot = [
  /\bDate\.now\b/,
  /\bnew Date\(\)/,
  /\bMath\.random\b/,
  /\bset(?:Timeout|Interval)\b/,
  /\bAbortSignal\.timeout\b/,
];
const coreMayNot = [/\bDate\.now\b/, /\bnew Date\(\)/, /\bMath\.random\b/, /\basync\b/, /\bprocess\./];

const MAX_SOURCE_LINES = 500;
const P90_SOURCE_LINES = 300;
const MEDIAN_SOURCE_LINES = 120;
const MAX_TEST_LINES = 600;
const MAX_FUNCTION_LINES = 70;

type Source = {
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly isTest: boolean;
};

const isTestPath = (path: string) =>
  /\.(test|fixture)\.ts$/.test(path) || /(^|\/)test-[a-z-]+\.ts$/.test(path);

const sources = async (folder: string): Promise<Source[]> => {
  const names = await readdir(join(root, folder), { recursive: true });
  return Promise.all(
    names
      .filter(name => name.endsWith('.ts'))
      .map(async name => {
        const path = join(folder, name);
        const text = await readFile(join(root, path), 'utf8');
        return {
          path,
          text,
          lines: text.trimEnd().split('\n').length,
          isTest: isTestPath(path) || folder === 'test',
        };
      }),
  );
};

const importsOf = ({ text }: Source): string[] =>
  [
    ...text.matchAll(
      /^(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]/gm,
    ),
  ].map(match => (match[1] ?? match[2] ?? match[3])!);

/** An import as the rules name it: `node:x`, a package, or a path below src without its ending. */
const named = (source: Source, specifier: string): string => {
  if (specifier.startsWith('node:')) return specifier;
  if (!specifier.startsWith('.'))
    return specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
  return relative(join(root, 'src'), resolve(root, dirname(source.path), specifier)).replace(/\.ts$/, '');
};

const isPackage = (name: string) => !name.startsWith('node:') && !name.includes('/');

const allowed = (folder: string, name: string): boolean => {
  if (name === folder || name.startsWith(`${folder}/`)) return true;
  if (folder === 'cli' && cliEntries.includes(name)) return true;
  if (folder === 'sim' && simMayNotImport.includes(name)) return false;
  return rules[folder]!.some(rule => {
    if (rule === 'npm') return isPackage(name);
    if (rule === 'node:') return name.startsWith('node:');
    return name === rule || name.startsWith(`${rule}/`);
  });
};

test('every folder imports only what the architecture allows it', async () => {
  const broken: string[] = [];
  for (const source of await sources('src')) {
    if (source.isTest) continue;
    const folder = source.path.split('/')[1]!;
    for (const specifier of importsOf(source)) {
      const name = named(source, specifier);
      if (!allowed(folder, name)) broken.push(`${source.path} imports ${name}`);
      const owner = exclusivePackages[name];
      if (owner !== undefined && !source.path.startsWith(`src/${owner}/`))
        broken.push(`${source.path} imports ${name}`);
    }
  }
  expect(broken).toEqual([]);
});

test('src/core is pure: no clock, no randomness, nothing asynchronous (S4)', async () => {
  const broken = (await sources('src/core'))
    .filter(source => !source.isTest)
    .flatMap(source =>
      coreMayNot
        .filter(rule => rule.test(withoutComments(source.text)))
        .map(rule => `${source.path}: ${rule}`),
    );
  expect(broken).toEqual([]);
});

test('src/sim runs on virtual time alone: no clock, no randomness and no timer of this machine', async () => {
  const broken = (await sources('sim')).flatMap(source =>
    simMayNot.filter(rule => rule.test(withoutComments(source.text))).map(rule => `${source.path}: ${rule}`),
  );
  expect(broken).toEqual([]);
});

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');

test('files stay small: sources by median, 90th percentile and maximum, tests by maximum', async () => {
  const all = await sources('src');
  const lengths = all
    .filter(source => !source.isTest)
    .map(source => source.lines)
    .sort((a, b) => a - b);
  const at = (share: number) => lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * share))]!;
  expect(at(0.5)).toBeLessThanOrEqual(MEDIAN_SOURCE_LINES);
  expect(at(0.9)).toBeLessThanOrEqual(P90_SOURCE_LINES);
  const tests = [...all, ...(await sources('test'))].filter(source => source.isTest);
  const tooLong = [
    ...all.filter(source => !source.isTest && source.lines > MAX_SOURCE_LINES),
    ...tests.filter(source => source.lines > MAX_TEST_LINES),
  ].map(source => `${source.path}: ${source.lines} lines`);
  expect(tooLong).toEqual([]);
});

/** Functions as the formatter lays them out: from the line that opens one to the line that closes its indentation. */
const longFunctions = ({ path, text }: Source): string[] => {
  const lines = text.split('\n');
  const found: string[] = [];
  lines.forEach((line, start) => {
    const opens =
      /=>\s*\{$|^\s*(?:async )?function\b.*\{$|^\s*(?:async )?\*?\[?[\w.]+\]?\([^)]*\)(?:: .*)?\s\{$|^\)(?:: .*)? => \{$/.test(
        line,
      );
    if (!opens || /^\s*(?:if|for|while|switch|return|describe)\b/.test(line)) return;
    const indent = /^\s*/.exec(line)![0];
    const end = lines.findIndex((candidate, at) => at > start && candidate.startsWith(`${indent}}`));
    if (end - start > MAX_FUNCTION_LINES) found.push(`${path}:${start + 1} is ${end - start} lines`);
  });
  return found;
};

test('functions stay small', async () => {
  const all = (await sources('src')).filter(source => !source.isTest);
  expect(all.flatMap(longFunctions)).toEqual([]);
});

test('files are named in kebab-case, after one thing', async () => {
  const vague = /(^|\/)(utils?|helpers?|common|misc|manager|index)(\.|\/)/;
  const broken = [...(await sources('src')), ...(await sources('test')), ...(await sources('bench'))]
    .map(source => source.path)
    .filter(path => vague.test(path) || !/^[a-z0-9-]+(\.[a-z0-9-]+)*\.ts$/.test(path.split('/').at(-1)!));
  expect(broken).toEqual([]);
});

test('no process.exit: a process ends because nothing is left to do', async () => {
  const broken = (await sources('src'))
    .filter(source => /\bprocess\.exit\(/.test(withoutComments(source.text)))
    .map(source => source.path);
  expect(broken).toEqual([]);
});

test('the lockfile pins exact versions and names no registry', async () => {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const ranges = [manifest.dependencies, manifest.devDependencies, manifest.optionalDependencies]
    .flatMap(group => Object.entries<string>(group ?? {}))
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
  expect(ranges).toEqual([]);
  expect(await readFile(join(root, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved":/);
});
