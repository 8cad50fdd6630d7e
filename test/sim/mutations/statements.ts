/** Mistakes with what an admin key signs: what a statement is bound to, and what it decides. */
import type { StepKind } from '../../../sim/script/step.ts';
import type { Swarm } from '../../../sim/script/swarm.ts';
import { type Mutation, someOf } from './mutation.ts';

const allows = someOf('allow deletions');
const isHostile = ({ isHostile: is }: Swarm): boolean => is;
/** A person signs for one of two things that are alike, and a hostile Nexus plants the other one. */
const isHostileWith =
  (kind: StepKind) =>
  ({ isHostile: is, everyMs }: Swarm): boolean =>
    is && everyMs.has(kind) && everyMs.has('a Nexus is taken over');

export const STATEMENT_MUTATIONS: readonly Mutation[] = [
  {
    name: 'statement-for-another-point',
    in: 'decisionsOf',
    find: '({ point }) => samePoint(point, at)',
    replace: '() => true',
    breaks: ['T4'],
    needs: allows,
    withinSeeds: 1500,
    why: 'T4, SM2: a deletion that a person allowed once is allowed at every later point',
  },
  {
    name: 'statement-outlives-its-point',
    in: 'decisionsOf',
    find: "has('allow_deletion', ({ point }) => samePoint(point, at))",
    replace: "has('allow_deletion', ({ point }) => point.generation <= at.generation)",
    breaks: ['T4'],
    needs: allows,
    withinSeeds: 1500,
    why: 'T4, SM2: a sled that has left the point of a statement deletes by it all the same',
  },
  {
    name: 'statement-of-another-fleet',
    in: 'verifyStatement',
    find: 'if (parsed.statement.fleet !== fleet)',
    replace: "if (parsed.statement.fleet === '')",
    breaks: ['T1', 'T3', 'T4'],
    needs: isHostile,
    withinSeeds: 2000,
    why: 'T4, SM2: what a person decided for one fleet counts in another one with the same key',
  },
  {
    name: 'statement-without-its-signature',
    in: 'verifyStatement',
    find: 'if (!isSignedBy(signed, key))',
    replace: "if (signed.signature === '')",
    breaks: ['T3', 'T4'],
    needs: isHostile,
    withinSeeds: 2000,
    why: 'T4, ADK2: a Nexus makes statements of its own under the name of the admin key',
  },
  {
    name: 'statement-of-another-key',
    in: 'verifyStatement',
    find: 'const key = keys.list().find(({ digest }) => digest === signed.key);',
    replace:
      'const key = keys.list().find(({ digest }) => digest === signed.key) ?? keys.list()[0]; const isOther = key?.digest !== signed.key;',
    also: [
      {
        in: 'verifyStatement',
        find: 'if (!isSignedBy(signed, key))',
        replace: 'if (!isOther && !isSignedBy(signed, key))',
      },
      {
        in: 'createStatements',
        find: 'current.filter(({ signed }) => pinned.has(signed.key))',
        replace: 'current.filter(() => pinned.size > 0)',
      },
    ],
    breaks: ['T3', 'T4'],
    needs: isHostile,
    withinSeeds: 2000,
    why: 'T4, SMB1: whoever makes a key decides for a person',
  },
  {
    name: 'restoration-undoes-a-later-revocation',
    in: 'createRevocations',
    find: 'timeMs <= (restoredMs?.(identity) ?? Number.NEGATIVE_INFINITY)',
    replace: 'timeMs > 0 && restoredMs?.(identity) !== undefined',
    breaks: ['T1'],
    needs: someOf('expunge a sled by mistake'),
    withinSeeds: 500,
    why: 'T1, RVK6: a process that was expunged for good is heard, since a person had restored it before',
  },
  {
    name: 'statement-on-another-root',
    in: 'statedTrust',
    find: "find('trust_root', ({ rootSha256 }) => rootSha256 === sha256)",
    replace: "find('trust_root', () => true)",
    breaks: ['T3'],
    needs: isHostileWith('trust another signer'),
    withinSeeds: 2000,
    why: 'T3, SM2: a person trusts one signer, and a Nexus that lies plants what another one has signed',
  },
  {
    name: 'exemption-of-another-release',
    in: 'statedTrust',
    find: "has('exempt_release', each => each.bundle === bundle)",
    replace: "has('exempt_release', () => bundle !== '')",
    breaks: ['T3'],
    needs: isHostileWith('upload a release without metadata'),
    withinSeeds: 3000,
    why: 'T3, SM2: a person exempts one release, and a Nexus that lies plants another one',
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
    breaks: ['T4'],
    needs: allows,
    withinSeeds: 400,
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
    breaks: ['T4'],
    needs: ({ hasAdminKey }) => hasAdminKey,
    withinSeeds: 1500,
    why: 'P13, C5: a recovery that no person decided on deletes what sleds hold',
  },
];
