import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { asGeneration, type Point } from '../core/ids.ts';
import { isOverAt, MAX_STATEMENTS, type SignedStatement, type StatementContent } from '../core/statement.ts';
import { DepotError } from '../lib/errors.ts';
import { type AdminKey, generateAdminKey, signStatement } from './admin-key.ts';
import { createStatements, openStatements } from './statements.ts';

const fleet = 'test.example';
const key = generateAdminKey();
const keysOf = (...keys: AdminKey[]) => ({ list: () => keys });
const pointAt = (generation: number): Point => ({
  generation: asGeneration(generation),
  digest: 'a'.repeat(64),
});
let made = 0;
const signed = (content: StatementContent, by = key, of = fleet): SignedStatement => {
  made += 1;
  const id = `00000000-0000-4000-8000-${made.toString(16).padStart(12, '0')}`;
  const time = new Date(Date.UTC(2026, 0, 1) + made).toISOString();
  return signStatement({ ...content, fleet: of, id, time }, by);
};
const allowance = (generation: number, by = key, of = fleet): SignedStatement =>
  signed({ kind: 'allow_deletion', point: pointAt(generation) }, by, of);

const remembering = (save: (list: readonly SignedStatement[]) => Promise<void> = async () => undefined) =>
  createStatements({ known: [], keys: keysOf(key), fleet, save });

test('a statement counts for its point alone, and listeners hear of changes alone (SMB1)', async () => {
  const statements = remembering();
  let changes = 0;
  using _listener = statements.onChange(() => {
    changes += 1;
  });
  const isAllowed = (generation: number): boolean =>
    statements.has('allow_deletion', ({ point }) => point.generation === generation);
  expect(isAllowed(7)).toBe(false);
  const seven = allowance(7);
  expect(await statements.add([seven])).toEqual([]);
  expect([6, 7, 8].map(isAllowed)).toEqual([false, true, false]);
  expect(statements.has('accept_points', () => true)).toBe(false);
  expect(await statements.add([seven])).toEqual([]);
  expect(changes).toBe(1);
  expect(statements.list()).toEqual([seven]);
});

test('one of another key, of another fleet or with another text is refused, and the others beside it count (SMB1)', async () => {
  const statements = remembering();
  const seven = allowance(7);
  const others = [
    allowance(8, generateAdminKey()),
    allowance(9, key, 'other.example'),
    { ...seven, statement: seven.statement.replace('"7:', '"6:') },
  ];
  const refused = await statements.add([...others, seven]);
  expect(refused.map(each => each.signed)).toEqual(others);
  expect(refused.map(({ reason }) => reason)).toEqual([
    expect.stringContaining('is not pinned here'),
    'it is a statement of the fleet other.example, and this one is test.example',
    expect.stringContaining('has not signed this text'),
  ]);
  expect(statements.list()).toEqual([seven]);
});

test('an earlier statement that is sent again takes back no later one (SM3)', async () => {
  const root = { rootSha256: 'b'.repeat(64) };
  const [trusted, distrusted] = [
    signed({ kind: 'trust_root', ...root }),
    signed({ kind: 'distrust_root', ...root }),
  ];
  const statements = remembering();
  await statements.add([distrusted]);
  expect(await statements.add([trusted])).toEqual([]);
  expect(statements.list()).toEqual([distrusted]);
  expect(statements.has('trust_root', () => true)).toBe(false);
});

test('one that cannot be written counts at once, fails, and is written when it is sent again (SMB2)', async () => {
  const written: (readonly SignedStatement[])[] = [];
  let isFull = true;
  const statements = remembering(async list => {
    if (isFull) throw new DepotError('NO_SPACE', 'the disk is full');
    written.push(list);
  });
  const seven = allowance(7);
  await expect(statements.add([seven])).rejects.toMatchObject({ code: 'NO_SPACE' });
  expect(statements.list()).toEqual([seven]);
  isFull = false;
  expect(await statements.add([seven])).toEqual([]);
  expect(written).toEqual([[seven]]);
});

test('a full list refuses a new statement by name, and takes it once another one is over (SM4)', async () => {
  const known = Array.from({ length: MAX_STATEMENTS }, (_, n) => allowance(n + 1));
  const statements = createStatements({ known, keys: keysOf(key), fleet, save: async () => undefined });
  const more = allowance(5_000);
  expect(await statements.add([more])).toEqual([
    { signed: more, reason: expect.stringContaining('the list is full') },
  ]);
  expect(statements.list()).toHaveLength(MAX_STATEMENTS);
  expect(await statements.add([more], isOverAt(2))).toEqual([]);
  expect(statements.list()).toContainEqual(more);
});

test('the file has them after a restart; those of a key that is missing stay in it and do not count (SMB3)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'statements-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const other = generateAdminKey();
  const certificateFile = join(directory, 'certificate.pem');
  const [seven, eight, nine] = [allowance(7), allowance(8, other), allowance(9)];
  const both = await openStatements(certificateFile, { keys: keysOf(key, other), fleet });
  expect(await both.add([seven, eight])).toEqual([]);

  const one = await openStatements(certificateFile, { keys: keysOf(key), fleet });
  expect(one.list()).toEqual([seven]);
  await one.add([nine]);

  const again = await openStatements(certificateFile, { keys: keysOf(key, other), fleet });
  expect(again.list()).toEqual([seven, eight, nine]);
});

test('a file that is no list of statements is an error that names it and says what to do', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'statements-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'statements.json');
  await writeFile(file, '{"statements": [{}]}');
  await expect(
    openStatements(join(directory, 'certificate.pem'), { keys: keysOf(key), fleet }),
  ).rejects.toThrow(`${file} is not a list of statements; move it away`);
  expect(await readFile(file, 'utf8')).toBe('{"statements": [{}]}');
});
