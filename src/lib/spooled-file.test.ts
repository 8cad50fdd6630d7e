import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type SpoolOptions, spooledFile } from './spooled-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-spooled-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const { signal } = new AbortController();
const spool = (path: string, options: Partial<SpoolOptions> = {}) =>
  spooledFile(path, { signal, directory, ...options });

const makePipe = (): string => {
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  return path;
};

test('a regular file is read where it is, and an absent one is left to its reader', async () => {
  const path = join(directory, 'a');
  await writeFile(path, 'content');
  for (const named of [path, directory, join(directory, 'none')]) {
    await using file = await spool(named);
    expect(file.path).toBe(named);
  }
});

test('a pipe can be read by position and more than once, from a file that has no name (SPF1)', async () => {
  const path = makePipe();
  const content = Buffer.alloc(300_000, 'abcdefg');
  createWriteStream(path).end(content);
  const file = await spool(path);
  expect(await readFile(file.path)).toEqual(content);
  const handle = await open(file.path);
  const { buffer } = await handle.read(Buffer.alloc(3), 0, 3, 7);
  await handle.close();
  expect(buffer.toString()).toBe('abc');
  expect(await readdir(directory)).toEqual(['pipe']);
  await file[Symbol.asyncDispose]();
  await expect(readFile(file.path)).rejects.toThrow();
});

test('standard input is copied, unless it is a terminal', async () => {
  const stdin = () => Readable.from([Buffer.from('one'), Buffer.from('two')]);
  await using file = await spool('-', { stdin: stdin() });
  expect(await readFile(file.path, 'utf8')).toBe('onetwo');
  const terminal = Object.assign(stdin(), { isTTY: true });
  await expect(spool('-', { stdin: terminal })).rejects.toMatchObject({ code: 'USAGE' });
});

test('a pipe that never ends is refused at a limit, and leaves nothing (SPF2)', async () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1000);
    })(),
  );
  await expect(spool('-', { stdin: endless, maxBytes: 5_500 })).rejects.toMatchObject({
    code: 'IO',
    message: '- has more than 5500 bytes; save it to a file, and name that',
  });
  expect(endless.destroyed).toBe(true);
  expect(await readdir(directory)).toEqual([]);
});

test('without a directory for it the error names the input, the directory and the remedy', async () => {
  const stdin = Readable.from([Buffer.from('x')]);
  await expect(spool('-', { stdin, directory: join(directory, 'none') })).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringContaining(`temporary file in ${directory}/none`),
    detail: { remedy: expect.stringContaining('TMPDIR') },
  });
});

test.each([
  ['before it begins', false],
  ['while it waits', true],
])(
  'a copy that is interrupted %s ends with the reason of the signal, although nothing more comes',
  async (_, isRunning) => {
    const controller = new AbortController();
    const silent = new Readable({ read: () => undefined });
    silent.push(Buffer.from('x'));
    const copying = spool('-', { stdin: silent, signal: controller.signal });
    if (isRunning) await expect.poll(() => silent.readableLength).toBe(0);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(copying).rejects.toBe(reason);
  },
);

test('a pipe whose writer goes on without a word does not keep an interrupted process waiting', async () => {
  const path = makePipe();
  const writer = spawn('bash', ['-c', `exec 3> ${path}; echo x >&3; exec sleep 60`], { stdio: 'ignore' });
  try {
    const controller = new AbortController();
    const copying = spool(path, { signal: controller.signal });
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 200);
    await expect(copying).rejects.toBe(reason);
  } finally {
    writer.kill('SIGKILL');
  }
});

test('what cannot be opened, as a socket, is an error with its name', async () => {
  const path = join(directory, 'socket');
  const server = createServer();
  await new Promise<void>(resolve => server.listen(path, resolve));
  try {
    await expect(spool(path)).rejects.toMatchObject({ code: 'IO', message: `cannot read ${path}` });
  } finally {
    server.close();
  }
});

test('a process that is killed while it has the copy leaves nothing (SPF1)', async () => {
  const script = `
    import { spooledFile } from ${JSON.stringify(import.meta.resolve('./spooled-file.ts'))};
    globalThis.file = await spooledFile('-', { stdin: process.stdin, signal: new AbortController().signal, directory: ${JSON.stringify(directory)} });
    console.log('copied');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(Buffer.alloc(100_000));
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await readdir(directory)).toEqual([]);
});
