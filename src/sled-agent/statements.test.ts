import { expect, test } from 'vitest';
import { asGeneration } from '../core/ids.ts';
import type { SignedStatement, StatementContent } from '../core/statement.ts';
import { generateAdminKey, signStatement } from '../identity/admin-key.ts';
import { knownStatements } from '../identity/identity.fixture.ts';
import { NO_STATEMENTS } from '../identity/statements.ts';
import { silentLogger } from '../lib/log.ts';
import { decisionsOf, takeStatements } from './statements.ts';

const key = generateAdminKey();
const point = (generation: number, letter = 'a') => ({
  generation: asGeneration(generation),
  digest: letter.repeat(64),
});
let made = 0;
const signed = (content: StatementContent, of = 'test.example'): SignedStatement => {
  made += 1;
  const id = `00000000-0000-4000-8000-${made.toString().padStart(12, '0')}`;
  return signStatement({ ...content, fleet: of, id, time: '2026-01-01T00:00:00.000Z' }, key);
};
const context = { generation: 5, log: silentLogger };

test('a statement decides for exactly the point that it names: neither its number nor its digest alone is enough (SM2, T4)', async () => {
  const statements = knownStatements({ list: () => [key] });
  const decisions = decisionsOf(statements);
  expect(decisions.areRequired()).toBe(true);
  const list = [
    signed({ kind: 'allow_deletion', point: point(5) }),
    signed({ kind: 'accept_points', points: [point(6), point(7)] }),
  ];
  expect(await takeStatements(statements, { statements: list }, context)).toEqual({ refused: [] });
  expect([point(5), point(5, 'b'), point(4), point(6)].map(decisions.allowDeletionAt)).toEqual([
    ...[true, false, false, false],
  ]);
  expect([point(5), point(6), point(7), point(7, 'b')].map(decisions.accept)).toEqual([
    ...[false, true, true, false],
  ]);
});

test('the answer names by its hash what does not count, and a sled without an identity counts none', async () => {
  const statements = knownStatements({ list: () => [key] });
  const other = signed({ kind: 'allow_deletion', point: point(5) }, 'other.example');
  expect(await takeStatements(statements, { statements: [other] }, context)).toEqual({
    refused: [
      {
        statement_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        reason: expect.stringContaining('other.example'),
      },
    ],
  });
  const { refused } = await takeStatements(NO_STATEMENTS, { statements: [other] }, context);
  expect(refused).toMatchObject([{ reason: expect.stringContaining('no identity') }]);
  expect(decisionsOf(knownStatements()).areRequired()).toBe(false);
});
