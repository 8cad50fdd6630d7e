/** What a command costs before it does anything: modules that it loads, which no clock has to measure. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Counts the threads of the pool once it is busy, and prints all at the end. */
const WATCH = `
import { readdirSync } from 'node:fs';
import { registerHooks } from 'node:module';
const urls = [];
registerHooks({
  load(url, context, next) {
    urls.push(url);
    return next(url, context);
  },
});
let threads = 0;
process.once('beforeExit', async () => {
  const { stat } = await import('node:fs/promises');
  await Promise.all(Array.from({ length: 64 }, () => stat('.')));
  threads = readdirSync('/proc/self/task').length;
});
process.on('exit', () => console.error('loaded ' + JSON.stringify({ urls, threads })));
`;

type Start = { readonly out: string; readonly urls: readonly string[]; readonly threads: number };

const start = (...args: readonly string[]): Promise<Start> =>
  new Promise((resolve, reject) => {
    const watch = `data:text/javascript,${encodeURIComponent(WATCH)}`;
    const main = join(import.meta.dirname, 'main.ts');
    const { UV_THREADPOOL_SIZE: _, ...env } = process.env;
    execFile(process.execPath, ['--import', watch, main, ...args], { env }, (error, out, err) => {
      const loaded = /^loaded (.*)$/m.exec(err)?.[1];
      if (loaded === undefined) reject(error ?? new Error(err));
      else resolve({ out, ...JSON.parse(loaded) });
    });
  });

const packagesOf = ({ urls }: Start): Set<string> =>
  new Set(urls.flatMap(url => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []));

/** Modules of this project. */
const ownOf = ({ urls }: Start): string[] =>
  urls.flatMap(url => (url.includes('node_modules') ? [] : (/\/src\/(.*)/.exec(url)?.[1] ?? [])));

test('the version is printed with nothing loaded but the command line, and no package but that which parses it', async () => {
  const run = await start('--version');
  expect(run.out).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect([...packagesOf(run)]).toEqual(['commander']);
  expect(ownOf(run).length).toBeLessThan(20);
  expect(ownOf(run).filter(path => path.startsWith('cli/commands/'))).toEqual([]);
});

test('a command loads its own file, its own contracts and no server', async () => {
  const run = await start('status', '--url', 'http://127.0.0.1:9');
  const own = ownOf(run);
  expect(own.filter(path => path.startsWith('cli/commands/'))).toEqual(['cli/commands/status.ts']);
  expect(own.filter(path => path.startsWith('nexus/') || path.startsWith('sled-agent/'))).toEqual([]);
  expect(own).toContain('api/operator-fleet-api.ts');
  expect(own).not.toContain('api/operator-update-api.ts');
  for (const server of ['fastify', 'kysely', 'pg', 'pino'])
    expect([...packagesOf(run)]).not.toContain(server);
  expect(own.length).toBeLessThan(90);
});

test('a word that names no command has suggestions of all commands', async () => {
  const run = await start('statsu');
  expect(ownOf(run)).toContain('cli/commands/status.ts');
  expect(ownOf(run)).toContain('cli/commands/repo-list.ts');
});

test('files are synced by sixteen threads, not by the four of Node', async () => {
  const { threads } = await start('status', '--url', 'http://127.0.0.1:9');
  expect(threads).toBeGreaterThan(16);
});
