import fc from 'fast-check';
import { expect, test } from 'vitest';
import { asGeneration, type Point, SystemVersion } from './ids.ts';
import {
  addStatements,
  isOverAt,
  MAX_STATEMENT_CHARS,
  MAX_STATEMENTS,
  mergeStatements,
  parseStatement,
  type Statement,
  type StatementContent,
  type StatementEntry,
  statementText,
  subjectOf,
} from './statement.ts';

const uuid = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const hash = (n: number): string => n.toString(16).padStart(64, '0');
const time = (n: number): string => `2026-01-01T00:00:0${n}.000Z`;

const points = fc
  .record({ generation: fc.integer({ min: 1, max: 4 }), digest: fc.integer({ min: 0, max: 2 }) })
  .map(({ generation, digest }): Point => ({ generation: asGeneration(generation), digest: hash(digest) }));
const hashes = fc.integer({ min: 0, max: 2 }).map(hash);
const contents: fc.Arbitrary<StatementContent> = fc.oneof(
  fc.record({ kind: fc.constant('allow_deletion' as const), point: points }),
  fc.record({
    kind: fc.constant('exempt_release' as const),
    systemVersion: fc.constantFrom('1.0.0', '2.0.0-rc.1').map(each => SystemVersion.parse(each)),
    bundle: hashes,
  }),
  fc.record({
    kind: fc.constantFrom('trust_root' as const, 'distrust_root' as const),
    rootSha256: hashes,
  }),
  fc.record({
    kind: fc.constant('accept_points' as const),
    points: fc.array(points, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('restore_identity' as const),
    identity: fc.record({
      kind: fc.constantFrom('nexus' as const, 'sled' as const),
      id: fc.integer({ min: 0, max: 2 }).map(uuid),
    }),
  }),
);
const statements: fc.Arbitrary<Statement> = fc
  .tuple(contents, fc.integer({ min: 0, max: 99 }), fc.integer({ min: 0, max: 3 }))
  .map(([content, id, at]) => ({ ...content, fleet: 'test.example', id: uuid(id), time: time(at) }));

/** As it is read: of points in another order, or named twice, there is one text. */
const entryOf = (statement: Statement): StatementEntry => ({
  statement: parsedOf(statementText(statement)),
  signed: { statement: statementText(statement), signature: 'c2ln', key: hash(9) },
});
const entries = fc.array(statements.map(entryOf), { maxLength: 20 });

const parsedOf = (text: string): Statement => {
  const parsed = parseStatement(text);
  if (parsed.kind === 'fault') throw new Error(parsed.fault);
  return parsed.statement;
};

test('every statement has one text, which says all of it (SM1)', () => {
  fc.assert(
    fc.property(statements, statement => {
      const text = statementText(statement);
      expect(statementText(parsedOf(text))).toBe(text);
      expect(subjectOf(parsedOf(text))).toBe(subjectOf(statement));
      expect(text.length).toBeLessThanOrEqual(MAX_STATEMENT_CHARS);
    }),
  );
});

test('a text in another form than the canonical one is refused: order, space, a field twice or too many (SM1)', () => {
  const text = statementText({
    kind: 'trust_root',
    rootSha256: hash(1),
    fleet: 'test.example',
    id: uuid(1),
    time: time(1),
  });
  expect(text).toBe(
    `{"fleet":"test.example","id":"${uuid(1)}","kind":"trust_root","root_sha256":"${hash(1)}","time":"2026-01-01T00:00:01.000Z","version":1}`,
  );
  const others = [
    text.replace('"version":1', '"version": 1'),
    text
      .replace('{"fleet":"test.example",', '{')
      .replace('"version":1', '"version":1,"fleet":"test.example"'),
    text.replace('"fleet":', '"fleet":"other.example","fleet":'),
    text.replace('"version":1', '"version":1,"why":"x"'),
    text.replace('"version":1', '"version":2'),
    text.replace('trust_root', 'delete_all'),
    text.replace('.000Z', 'Z'),
    text.replace('.000Z', '.000+01:00'),
    `${text}\n`,
    'null',
    '{',
  ];
  for (const other of others) expect(parseStatement(other).kind, other).toBe('fault');
});

test('what several processes know merges in any order to the same list, with one statement of each subject (SM3)', () => {
  fc.assert(
    fc.property(entries, entries, entries, (a, b, c) => {
      const merged = mergeStatements(a, b, c);
      expect(mergeStatements(c, mergeStatements(b, a))).toEqual(merged);
      expect(mergeStatements(merged, merged)).toEqual(merged);
      const subjects = merged.map(({ statement }) => subjectOf(statement));
      expect(new Set(subjects).size).toBe(subjects.length);
      for (const { statement } of [...a, ...b, ...c]) expect(subjects).toContain(subjectOf(statement));
    }),
  );
});

test('of a root that is trusted and distrusted the later statement counts, and of one time the one that distrusts (SM3)', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3 })), { minLength: 1 }), said => {
      const all = said.map(([isTrusted, at], n) =>
        entryOf({
          kind: isTrusted ? 'trust_root' : 'distrust_root',
          rootSha256: hash(1),
          fleet: 'test.example',
          id: uuid(n),
          time: time(at),
        }),
      );
      const latest = Math.max(...said.map(([, at]) => at));
      const isDistrusted = said.some(([isTrusted, at]) => !isTrusted && at === latest);
      const [counting, ...others] = mergeStatements(all);
      expect(others).toEqual([]);
      expect(counting?.statement.kind).toBe(isDistrusted ? 'distrust_root' : 'trust_root');
    }),
  );
});

const allowance = (generation: number, id = generation): StatementEntry =>
  entryOf({
    kind: 'allow_deletion',
    point: { generation: asGeneration(generation), digest: hash(0) },
    fleet: 'test.example',
    id: uuid(id),
    time: time(1),
  });

test('a full list forgets nothing that still counts, and refuses what finds no room (SM4)', () => {
  const known = Array.from({ length: MAX_STATEMENTS }, (_, n) => allowance(n + 1));
  const added = [allowance(5_000), allowance(5_001)];
  const full = addStatements(known, added, () => false);
  expect(full.list).toEqual(mergeStatements(known));
  expect(full.refused).toEqual(added);
  const later = addStatements(known, added, isOverAt(2));
  expect(later.list).toHaveLength(MAX_STATEMENTS);
  expect(later.list).not.toContain(known[0]);
  expect(later.list).toContain(added[0]);
  expect(later.refused).toEqual([added[1]]);
});

test('a statement about a known subject finds room in a full list (SM4)', () => {
  const known = Array.from({ length: MAX_STATEMENTS }, (_, n) => allowance(n + 1));
  const again = { ...allowance(7, 6_000) };
  const { statement } = again;
  const later = entryOf({ ...statement, time: time(2) });
  const { list, refused } = addStatements(known, [later], () => false);
  expect(refused).toEqual([]);
  expect(list).toContain(later);
  expect(list).toHaveLength(MAX_STATEMENTS);
});

test('an allowance and accepted points are over once the sled has left their points; the others never are (SM4)', () => {
  fc.assert(
    fc.property(statements, fc.integer({ min: 0, max: 6 }), (statement, generation) => {
      const isOver =
        statement.kind === 'allow_deletion'
          ? statement.point.generation < generation
          : statement.kind === 'accept_points' &&
            statement.points.every(point => point.generation < generation);
      expect(isOverAt(generation)(statement)).toBe(isOver);
      expect(isOverAt(undefined)(statement)).toBe(false);
    }),
  );
});
