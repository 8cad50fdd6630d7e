import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLogger } from './log.ts';

test('a log has JSON lines without invisible characters, whatever is logged (SX1)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-log-'));
  const path = join(directory, 'log');
  await using file = await open(path, 'w');
  const log = createLogger({ name: 'test', level: 'info', destination: file.fd });
  log.info({ file_name: 'a\u202eb\u001b[2J' }, 'received');
  log.child({ sled: 'c\u200bd' }).warn('second');
  const text = await readFile(path, 'utf8');
  expect(text).not.toMatch(/[^\n\x20-\x7e]/);
  const lines = text.trimEnd().split('\n');
  expect(lines.map(line => JSON.parse(line))).toMatchObject([
    { file_name: 'a\u202eb\u001b[2J', msg: 'received' },
    { sled: 'c\u200bd', msg: 'second' },
  ]);
  await rm(directory, { recursive: true });
});

test('a log that cannot be written throws nothing, so that no server ends with its terminal', async () => {
  await using full = await open('/dev/full', 'w');
  const log = createLogger({ name: 'test', level: 'info', destination: full.fd });
  for (let lines = 0; lines < 3; lines += 1) expect(() => log.info('lost')).not.toThrow();
});
