/**
 * Keeps the structure: who may import whom, how large files and functions are, and habits that no linter knows.
 * The rules are those of docs/ARCHITECTURE.md, its rooms and its table of folders; change both together.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/**
 * What each folder of src, and the simulator, may import: folders or files of src, `node:` or one of its modules, `npm` or
 * one package.
 */
const rules: Record<string, readonly string[]> = {
  lib: ['node:', 'npm'],
  core: ['zod'],
  identity: ['lib', 'core/ids', 'core/revocation', 'core/statement', 'node:', 'zod'],
  tuf: [
    'core',
    'lib/errors',
    'lib/error-codes',
    'lib/shown-text',
    'node:crypto',
    'node:assert/strict',
    'zod',
  ],
  archive: ['lib', 'node:zlib', 'node:crypto', 'node:assert/strict'],
  composite: ['core', 'archive', 'lib', 'node:zlib', 'node:crypto', 'zod'],
  bundle: ['core', 'tuf', 'lib', 'node:', 'zod'],
  verify: ['core', 'tuf', 'archive', 'composite', 'bundle', 'lib', 'node:', 'zod'],
  'tuf-client': ['tuf', 'source', 'lib', 'node:'],
  source: ['core', 'tuf', 'archive', 'bundle', 'verify', 'http', 'lib', 'node:', 'zod'],
  signing: ['core', 'tuf', 'archive', 'lib', 'node:', 'zod'],
  api: [
    'core/ids',
    'core/facts',
    'core/artifact-config',
    'core/operator-role',
    'core/release-trust',
    'core/revocation',
    'core/statement',
    'lib/error-codes',
    'lib/shown-text',
    'zod',
  ],
  http: ['api', 'identity', 'lib', 'core/ids', 'core/operator-role', 'core/facts/refusal', 'node:', 'npm'],
  join: ['api', 'http', 'identity', 'lib', 'core/ids', 'node:'],
  'sled-wire': ['core', 'api', 'lib', 'zod', 'node:crypto'],
  'sled-client': ['core', 'api', 'http', 'sled-wire', 'lib', 'node:crypto'],
  nexus: [
    'core',
    'tuf',
    'archive',
    'composite',
    'bundle',
    'verify',
    'source',
    'api',
    'http',
    'sled-wire',
    'sled-client',
    'identity',
    'join',
    'lib',
    'node:',
    'npm',
  ],
  'sled-agent': [
    'core',
    'tuf',
    'bundle',
    'api',
    'http',
    'identity',
    'join',
    'sled-wire',
    'lib',
    'node:',
    'zod',
  ],
  'standalone-depot': ['core', 'archive', 'verify', 'api', 'http', 'lib', 'node:'],
  'local-fleet': ['core', 'identity', 'lib', 'node:', 'zod', 'smol-toml'],
  sim: [
    'core',
    'tuf',
    'bundle',
    'archive',
    'composite',
    'bundle',
    'verify',
    'signing',
    'api',
    'sled-wire',
    'sled-client',
    'nexus',
    'sled-agent',
    'identity',
    'lib',
    // Leaves without a server or a connection: handlers are called without HTTP.
    'http/handlers',
    'http/caller',
    'http/running-callers',
    'http/progress',
    'http/file-body',
    'node:crypto',
    'zod',
  ],
  cli: [
    'core',
    'tuf',
    'archive',
    'bundle',
    'verify',
    'source',
    'tuf-client',
    'signing',
    'api',
    'http',
    'identity',
    'lib',
    'local-fleet',
    'standalone-depot',
    'node:',
    'commander',
    'zod',
    'semver',
  ],
};
/**
 * Rooms: the sub-folders of a folder, the lowest first, and which of them each may import. Files that stand beside them
 * are below the rooms that import them, or above.
 */
const rooms: Record<string, Record<string, readonly string[]>> = {
  cli: {
    output: [],
    arguments: ['output'],
    session: ['output'],
    connection: ['output', 'session'],
    upload: ['output', 'session', 'connection'],
    trust: ['output'],
    signing: ['output', 'arguments'],
    demo: ['output', 'session', 'connection', 'upload', 'trust'],
    commands: ['output', 'arguments', 'session', 'connection', 'upload', 'trust', 'signing', 'demo'],
  },
  core: { facts: [], plan: ['facts'] },
  'local-fleet': { 'embedded-postgres': [] },
  nexus: {
    datastore: [],
    history: ['datastore'],
    operators: ['datastore'],
    releases: ['datastore', 'history'],
    sleds: ['datastore', 'history', 'releases'],
    background: ['datastore', 'history', 'releases', 'sleds'],
    recovery: ['datastore', 'history', 'sleds'],
    transfers: ['datastore', 'history', 'releases', 'sleds'],
    replication: ['datastore', 'history', 'releases', 'sleds', 'transfers', 'background', 'recovery'],
    status: ['datastore', 'releases', 'sleds', 'background', 'replication'],
    api: [
      ...['datastore', 'history', 'operators', 'releases', 'sleds', 'background', 'recovery'],
      ...['replication', 'status'],
    ],
    process: [
      ...['datastore', 'history', 'operators', 'releases', 'sleds', 'transfers', 'background'],
      ...['replication', 'status', 'api'],
    ],
  },
  'nexus/datastore': { ports: [], decisions: ['ports'], verbs: ['ports', 'decisions'] },
  'nexus/datastore/verbs': {
    audit: [],
    operators: ['audit'],
    'wanted-set': ['audit'],
    'trust-roots': ['audit'],
    'target-release': ['audit'],
    releases: ['audit', 'wanted-set', 'trust-roots', 'target-release'],
    'local-repos': ['wanted-set'],
    revocations: [],
    statements: ['audit'],
    sleds: ['audit', 'wanted-set', 'revocations'],
    invitations: ['audit', 'sleds', 'revocations'],
    recovery: ['audit', 'wanted-set', 'invitations'],
    nexuses: ['audit', 'revocations'],
    history: [],
    durability: [],
  },
  'nexus/releases': { staging: [], upload: ['staging'], source: ['staging', 'upload'] },
  'nexus/replication': { events: [] },
  'sled-agent': { store: [], trust: ['store'] },
  'sled-agent/store': {
    files: [],
    dataset: ['files'],
    config: ['files', 'dataset'],
    leases: ['files', 'dataset'],
    deletion: ['files', 'dataset'],
    scrub: ['files', 'dataset'],
    write: ['dataset', 'config'],
  },
  sim: {
    time: [],
    datastore: [],
    machine: ['time'],
    identity: ['time'],
    network: ['time', 'identity'],
    fleet: ['time', 'datastore', 'machine', 'identity', 'network'],
    checkers: ['datastore', 'machine', 'identity', 'fleet'],
    witness: ['datastore', 'machine', 'identity', 'fleet', 'checkers'],
    script: ['time', 'datastore', 'machine', 'identity', 'network', 'fleet', 'checkers', 'witness'],
  },
  'sim/datastore': { verbs: [] },
};
/**
 * The only ways into a server for the command line: its entry, its configuration, the migrations, and what a person does on
 * the machine of a sled.
 */
const cliEntries = [
  'nexus/process/main',
  'nexus/process/config',
  'nexus/process/join',
  'nexus/datastore/migrate',
  'nexus/datastore/connection',
  'sled-agent/main',
  'sled-agent/config',
  'sled-agent/reset',
  'sled-agent/allow-deletion',
  'sled-agent/join-sled',
];
/** Entries of processes, and the ways to a real database and to real sleds: the simulator has none of them. */
const simMayNotImport = [
  'nexus/process/main',
  'sled-agent/main',
  'nexus/datastore/connection',
  'sled-client/http-connection',
];
/** Who may use these packages; nobody else. */
const exclusivePackages: Record<string, string> = {
  fastify: 'http',
  undici: 'http',
  pg: 'nexus/datastore',
  kysely: 'nexus/datastore',
};
/** What opens a datastore, or composes all that uses it; every other module names the ports that it uses. */
const wholeDatastore = ['nexus/process/services', 'nexus/process/handlers', 'nexus/process/start-tasks'];
/** What sled agents and the depot without a fleet serve: Nexus has domain types instead, which sled-wire translates. */
const sledContracts = ['api/sled-agent-api', 'api/depot-api', 'api/arriving-api'];
const knowSledContracts = [
  'api',
  'http',
  'sled-wire',
  'sled-client',
  'sled-agent',
  'standalone-depot',
  'sim',
];
/** Functions of `node:fs` that need space. */
const writesFiles =
  /^(appendFile|copyFile|cp|createWriteStream|link|mkdir|mkdtemp|rename|symlink|truncate|writeFile|writev?)(Sync)?$/;
const opensToWrite = /\bopen(Sync)?\([^)]*,\s*'(w|a|r\+)/;
/** The disk itself, and the script that writes `openapi/`. */
const mayWriteAlone = ['lib/real-disk', 'http/write-openapi'];
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

const isTestPath = (path: string) => /\.(test|fixture)\.ts$/.test(path);

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

const nameOf = (path: string) => path.replace(/^src\//, '').replace(/\.ts$/, '');

/** An import as the rules name it: `node:x`, a package, or a path without its ending, and without `src/` where it is there. */
const named = (source: Source, specifier: string): string => {
  if (specifier.startsWith('node:')) return specifier;
  if (!specifier.startsWith('.'))
    return specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/');
  return nameOf(relative(root, resolve(root, dirname(source.path), specifier)));
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
  for (const source of [...(await sources('src')), ...(await sources('sim'))]) {
    if (source.isTest) continue;
    const folder = nameOf(source.path).split('/')[0]!;
    for (const specifier of importsOf(source)) {
      const name = named(source, specifier);
      if (!allowed(folder, name)) broken.push(`${source.path} imports ${name}`);
      if (sledContracts.includes(name) && !knowSledContracts.includes(folder))
        broken.push(`${source.path} imports ${name}`);
      const owner = exclusivePackages[name];
      if (owner !== undefined && !source.path.startsWith(`src/${owner}/`))
        broken.push(`${source.path} imports ${name}`);
    }
  }
  expect(broken).toEqual([]);
});

test('what ships imports no test, no fixture and no simulator', async () => {
  const broken = (await sources('src'))
    .filter(source => !source.isTest)
    .flatMap(source => importsOf(source).map(specifier => [source.path, named(source, specifier)] as const))
    .filter(([, name]) => /\.(test|fixture)$|^(sim|test|bench)\//.test(name))
    .map(([path, name]) => `${path} imports ${name}`);
  expect(broken).toEqual([]);
});

/** By file of src or sim, what of these folders it imports, types too. */
const importsWithin = async (): Promise<ReadonlyMap<string, readonly string[]>> => {
  const files = [...(await sources('src')), ...(await sources('sim'))].filter(source => !source.isTest);
  const names = new Set(files.map(({ path }) => nameOf(path)));
  return new Map(
    files.map(source => [
      nameOf(source.path),
      importsOf(source)
        .map(specifier => named(source, specifier))
        .filter(name => names.has(name)),
    ]),
  );
};

type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** The files and sub-folders of one folder, and which of each other they import. */
const graphOf = (folder: string, imports: ReadonlyMap<string, readonly string[]>): Graph => {
  const start = folder === '' ? '' : `${folder}/`;
  const partOf = (name: string) =>
    name.startsWith(start) ? name.slice(start.length).split('/')[0] : undefined;
  const graph = new Map<string, Set<string>>();
  for (const [name, targets] of imports) {
    const from = partOf(name);
    if (from === undefined) continue;
    const seen = graph.get(from) ?? new Set();
    graph.set(from, seen);
    for (const to of targets.map(partOf)) if (to !== undefined && to !== from) seen.add(to);
  }
  return graph;
};

/** One way from a part of the graph back to itself. */
const circleIn = (graph: Graph): readonly string[] | undefined => {
  const done = new Set<string>();
  const visit = (part: string, way: readonly string[]): readonly string[] | undefined => {
    if (way.includes(part)) return [...way.slice(way.indexOf(part)), part];
    if (done.has(part)) return undefined;
    for (const next of graph.get(part) ?? []) {
      const circle = visit(next, [...way, part]);
      if (circle !== undefined) return circle;
    }
    done.add(part);
    return undefined;
  };
  for (const part of graph.keys()) {
    const circle = visit(part, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
};

/** The folders below src, sim and those below it; the empty name is the root of both. */
const foldersOf = (imports: ReadonlyMap<string, unknown>): readonly string[] => {
  const folders = new Set(['']);
  for (const name of imports.keys())
    for (let folder = dirname(name); folder !== '.'; folder = dirname(folder)) folders.add(folder);
  return [...folders].sort();
};

test('a circle is found', () => {
  const graph = (pairs: Record<string, string>) =>
    new Map(Object.entries(pairs).map(([from, to]) => [from, new Set([to])]));
  expect(circleIn(graph({ a: 'b', b: 'c' }))).toBe(undefined);
  expect(circleIn(graph({ x: 'a', a: 'b', b: 'c', c: 'a' }))).toEqual(['a', 'b', 'c', 'a']);
});

test('no folder of src or sim has a circle of imports, types included, between its sub-folders and files', async () => {
  const imports = await importsWithin();
  const circles = foldersOf(imports).flatMap(folder => {
    const circle = circleIn(graphOf(folder, imports));
    return circle === undefined ? [] : [`${folder}: ${circle.join(' -> ')}`];
  });
  expect(circles).toEqual([]);
});

test('each room imports only those rooms beside it that the architecture allows it', async () => {
  const imports = await importsWithin();
  const nested = foldersOf(imports).filter(folder => folder.includes('/'));
  const there = Map.groupBy(nested, dirname);
  expect([...there.keys()].sort()).toEqual(Object.keys(rooms).sort());
  const broken: string[] = [];
  for (const [folder, table] of Object.entries(rooms)) {
    const names = Object.keys(table);
    expect(names.map(name => `${folder}/${name}`).sort()).toEqual(there.get(folder));
    const graph = graphOf(folder, imports);
    for (const name of names)
      for (const to of graph.get(name) ?? [])
        if (names.includes(to) && !table[name]!.includes(to)) broken.push(`${folder}/${name} imports ${to}`);
  }
  expect(broken).toEqual([]);
});

test('the root of src/nexus has rooms and nothing else', async () => {
  const files = (await sources('src/nexus')).map(({ path }) => path);
  expect(files.filter(path => dirname(path) === 'src/nexus')).toEqual([]);
});

test('only the composition of a Nexus has the whole datastore: any other module names its ports', async () => {
  const broken = (await sources('src/nexus'))
    .filter(source => !source.isTest && !source.path.startsWith('src/nexus/datastore/'))
    .filter(source => !wholeDatastore.includes(nameOf(source.path)))
    .filter(source =>
      importsOf(source).some(specifier => named(source, specifier) === 'nexus/datastore/datastore'),
    )
    .map(source => source.path);
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

test('the simulator runs on virtual time alone: no clock, no randomness and no timer of this machine', async () => {
  const broken = (await sources('sim')).flatMap(source =>
    simMayNot.filter(rule => rule.test(withoutComments(source.text))).map(rule => `${source.path}: ${rule}`),
  );
  expect(broken).toEqual([]);
});

test('a file that writes without a disk names a full one: it uses namingFull (FD2)', async () => {
  const importsOfNodeFs = /^import \{([^}]*)\} from 'node:fs(?:\/promises)?';/gm;
  const writes = ({ text }: Source): boolean =>
    [...text.matchAll(importsOfNodeFs)].some(([, names = '']) =>
      names.split(',').some(name => writesFiles.test(name.trim())),
    ) || opensToWrite.test(withoutComments(text));
  const broken = (await sources('src'))
    .filter(source => !source.isTest && !mayWriteAlone.includes(nameOf(source.path)))
    .filter(source => writes(source) && !/\bnamingFull\(/.test(source.text))
    .map(source => source.path);
  expect(broken).toEqual([]);
});

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');

test('files stay small: sources by median, 90th percentile and maximum, tests by maximum', async () => {
  const all = [...(await sources('src')), ...(await sources('sim'))];
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
  const all = (await Promise.all(['src', 'sim', 'packaging'].map(sources)))
    .flat()
    .filter(source => !source.isTest);
  expect(all.flatMap(longFunctions)).toEqual([]);
});

/** The linter forbids `!`; what it is told to ignore counts here, with casts that the compiler cannot check. */
const TYPE_HOLE = /\bas (?:never|any|unknown as)\b|biome-ignore lint\/style\/noNonNullAssertion/;
const MAX_TYPE_HOLES = 5;

test('type holes are few, and each has its reason in a comment right above it', async () => {
  const holes = (await sources('src'))
    .filter(({ isTest }) => !isTest)
    .flatMap(({ path, text }) => {
      const lines = text.split('\n');
      return [...lines.entries()]
        .filter(([, line]) => TYPE_HOLE.test(line) && !/^\s*(?:\/\*|\*|\/\/ (?!biome-ignore))/.test(line))
        .map(([index, line]) => ({
          where: `${path}:${index + 1}`,
          hasReason: /^\s*\/\//.test(/biome-ignore/.test(line) ? line : (lines[index - 1] ?? '')),
        }));
    });
  expect(holes.filter(({ hasReason }) => !hasReason)).toEqual([]);
  expect(holes.length, holes.map(({ where }) => where).join(', ')).toBeLessThanOrEqual(MAX_TYPE_HOLES);
});

test('files are named in kebab-case, after one thing', async () => {
  const vague = /(^|\/)(utils?|helpers?|common|misc|manager|index)(\.|\/)/;
  const broken = (await Promise.all(['src', 'sim', 'test', 'bench', 'packaging'].map(sources)))
    .flat()
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

test('a URL of a server is made of its endpoint, in one place', async () => {
  const broken = (await sources('src'))
    .filter(({ path, isTest }) => !isTest && path !== 'src/lib/endpoint.ts')
    .filter(({ text }) => /\bhttps?:\/\/\$\{|['"`]https?:\/\/['"`]/.test(text))
    .map(({ path }) => path);
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
