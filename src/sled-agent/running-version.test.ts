import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Logger } from '../lib/log.ts';
import { runningVersionReader } from './running-version.ts';

const inDirectory = async (work: (file: string) => Promise<void>): Promise<void> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-running-'));
  try {
    await work(join(directory, 'version'));
  } finally {
    await rm(directory, { recursive: true });
  }
};

const reading = (file: string | undefined) => {
  const warned: unknown[] = [];
  const log = { warn: (fields: unknown) => warned.push(fields) } as unknown as Logger;
  return { warned, read: runningVersionReader(file, { log }) };
};

test('the first line of the file is the version, read anew each time (RNV1)', () =>
  inDirectory(async file => {
    const { read, warned } = reading(file);
    await writeFile(file, '1.2.3\n');
    expect(await read()).toBe('1.2.3');
    await writeFile(file, '2.0.0-rc.1\r\nwritten by the updater\n');
    expect(await read()).toBe('2.0.0-rc.1');
    expect(warned).toEqual([]);
  }));

test.each([
  ['is absent', undefined],
  ['is empty', ''],
  ['has no version', 'latest\n'],
  ['is far too long', `1.2.3\n${'x'.repeat(2_000)}`],
])('a file that %s is no version, and is told once (RNV2)', (_, text) =>
  inDirectory(async file => {
    const { read, warned } = reading(file);
    if (text !== undefined) await writeFile(file, text);
    expect([await read(), await read()]).toEqual([undefined, undefined]);
    expect(warned).toMatchObject([{ file }]);
    await writeFile(file, '1.2.3');
    expect(await read()).toBe('1.2.3');
  }),
);

test('without a setting nothing is read, and nothing is told', async () => {
  const { read, warned } = reading(undefined);
  expect(await read()).toBeUndefined();
  expect(warned).toEqual([]);
});
