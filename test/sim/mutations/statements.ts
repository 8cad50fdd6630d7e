/** Mistakes with what an admin key signs: what a statement is bound to, and what it decides. */
import type { Mutation } from './mutation.ts';

export const STATEMENT_MUTATIONS: readonly Mutation[] = [
  {
    name: 'statement-for-another-point',
    in: 'decisionsOf',
    find: '({ point }) => samePoint(point, at)',
    replace: '() => true',
    tests:
      'a statement decides for exactly the point that it names: neither its number nor its digest alone is enough (SM2, T4)',
    why: 'T4, SM2: a deletion that a person allowed once is allowed at every later point',
  },
  {
    name: 'statement-of-another-fleet',
    in: 'verifyStatement',
    find: 'if (parsed.statement.fleet !== fleet)',
    replace: "if (parsed.statement.fleet === '')",
    tests: 'admin-key.test.ts',
    why: 'T4, SM2: what a person decided for one fleet counts in another one with the same key',
  },
  {
    name: 'statement-without-its-signature',
    in: 'verifyStatement',
    find: 'if (!isSignedBy(signed, key))',
    replace: "if (signed.signature === '')",
    tests: 'admin-key.test.ts',
    why: 'T4, ADK2: a Nexus makes statements of its own under the name of the admin key',
  },
  {
    name: 'earlier-statement-counts',
    in: 'byWeight',
    find: 'compare(b.statement.time, a.statement.time)',
    replace: 'compare(a.statement.time, b.statement.time)',
    tests: 'statement.test.ts',
    why: 'SM3: a root that was distrusted is trusted again by the statement from before',
  },
  {
    name: 'statement-not-over-at-its-point',
    in: 'addStatements',
    find: 'merged.filter(({ statement }) => !isOver(statement))',
    replace: 'merged.filter(({ statement }) => isOver(statement))',
    tests: 'statement.test.ts',
    why: 'SM4: a full list forgets what still counts',
  },
  {
    name: 'allowance-without-a-point',
    in: 'findDeletable',
    find: 'if (deleting.decisions.allowDeletionAt(pointOf(current))) await book.allowPending();',
    replace: 'await book.allowPending();',
    tests: 'decisions.test.ts',
    why: 'T4, DE5: what is beyond the limit is deleted although no person allowed it',
  },
  {
    name: 'unknown-point-forgotten-by-a-restart',
    in: 'encodeLedger',
    find: '...(isUnknown && { unknown: true })',
    replace: '',
    tests: 'decisions.test.ts',
    why: 'P13, C5: a sled that restarts adopts less at the word of a Nexus that did not know its point',
  },
  {
    name: 'unknown-point-accepted-by-a-nexus',
    in: 'adoption',
    find: "byLineage.kind === 'adopt' && isUnaccepted",
    replace: "byLineage.kind === 'same' && isUnaccepted",
    tests: 'decisions.test.ts',
    why: 'P13, C5: a recovery that no person decided on deletes what sleds hold',
  },
];
