/** The names of metadata files: in URLs, in folders, and in folders that web servers serve. */
import { expect, test } from 'vitest';
import { decodedFileName, metadataFileName, storedFileNames, underEitherName } from './role-names.ts';

test.each([
  ['team ü', '1.team ü.json'],
  ['a?b#c', '1.a?b#c.json'],
  ['targets/team', '1.targets/team.json'],
  ['100%', '1.100%.json'],
])('the file of the role %j may lie under its plain name too (FN1)', (role, plain) => {
  expect(decodedFileName(metadataFileName(role, 1))).toBe(plain);
});

test.each(['../root', '/etc', 'a//b', 'a\\b', 'a/../b', 'plain'])(
  'the role %j has no other name that leads anywhere (FN1)',
  role => {
    expect(decodedFileName(metadataFileName(role))).toBeUndefined();
  },
);

test('what is written has the name that a web server looks for, where no two roles could meet in it (FN1)', () => {
  const written = (...roles: string[]) => {
    const names = roles.map(role => metadataFileName(role, 1));
    return [...storedFileNames(names).values()];
  };
  expect(written('team ü', 'targets/x', 'a%20b', 'a b')).toEqual([
    '1.team ü.json',
    '1.targets%2Fx.json',
    '1.a%2520b.json',
    '1.a b.json',
  ]);
  expect(written('Ä', 'ä')).toEqual(['1.%C3%84.json', '1.%C3%A4.json']);
});

test('a file is read under its encoded name first (FN1)', async () => {
  const files = new Map([
    ['a b.json', 'plain'],
    ['c%20d.json', 'encoded'],
    ['c d.json', 'not asked for'],
  ]);
  const read = underEitherName(async (name: string) => files.get(name));
  expect(await read('a%20b.json')).toBe('plain');
  expect(await read('c%20d.json')).toBe('encoded');
  expect(await read('e%20f.json')).toBeUndefined();
});
