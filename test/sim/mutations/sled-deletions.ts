/** Mistakes of a sled with the waits of its deletions (T4). */
import type { Swarm } from '../../../sim/script/swarm.ts';
import { type Mutation, someOf } from './mutation.ts';

const deletes = someOf('delete', 'delete and upload again');
const waits = (swarm: Swarm): boolean => deletes(swarm) && swarm.deletion.waitMs > 10_000;
const isLimited = (swarm: Swarm): boolean => waits(swarm) && swarm.deletion.limitPercent < 100;

export const DELETION_MUTATIONS: readonly Mutation[] = [
  {
    name: 'deletion-without-its-wait',
    breaks: ['T4'],
    in: 'judged',
    find: 'remainingMs: Math.max(0, waitMs - waitedMs),',
    replace: 'remainingMs: 0,',
    needs: waits,
    withinSeeds: 200,
    why: 'T4, WT1: what a config drops by mistake is gone at once',
  },
  {
    name: 'deletion-without-a-limit',
    breaks: ['T4'],
    in: 'isBeyondLimit',
    find: 'if (rules.limitPercent >= 100) return false;',
    replace: 'if (rules.limitPercent >= 0) return false;',
    needs: isLimited,
    withinSeeds: 1500,
    why: 'T4, WT2: one config has everything deleted after the short wait',
  },
  {
    name: 'deletions-of-the-day-forgotten',
    in: 'counted',
    find: '{ peakBytes: 0, deletedBytes }',
    replace: '{ peakBytes: 0, deletedBytes: 0 }',
    tests: 'deletion.test.ts',
    why: 'T4, WT2: a config after the other has everything deleted, half at a time',
  },
  {
    name: 'limited-deletion-for-ever',
    breaks: ['G3'],
    in: 'judged',
    find: 'isLimited ? rules.limitWaitMs :',
    replace: 'isLimited ? Number.POSITIVE_INFINITY :',
    also: [
      {
        in: 'isUnderLimit',
        find: 'clockMs - entry.sinceMs < limitWaitMs',
        replace: 'limitWaitMs >= 0',
      },
    ],
    needs: isLimited,
    withinSeeds: 1500,
    why: 'G3, WT3: what is beyond the limit stays for ever',
  },
  {
    name: 'wait-begins-anew-at-a-start',
    in: 'learnWaits',
    find: 'book.record = newest.record;',
    replace: 'book.record = { ...newest.record, pending: new Map() };',
    tests: 'deletion-waits.test.ts',
    why: 'G3, DK1: on a sled that restarts again and again nothing is ever deleted',
  },
  {
    name: 'wait-used-up-by-a-hold',
    in: 'holdDeletions',
    find: 'keeping.onHold();',
    replace: '',
    tests: 'deletion-waits.test.ts',
    why: 'T4, WT5: the config that ends a hold deletes at once what the next one lists again',
  },
  {
    name: 'wait-goes-on-from-before-the-artifact-was-listed',
    in: 'takenBack',
    find: 'listed.has(sha256)',
    replace: 'listed === undefined',
    tests: 'deletion-waits.test.ts',
    why: 'T4, DK2: an artifact that was listed for a moment is deleted without a wait',
  },
  {
    name: 'waits-of-a-sled-in-doubt-believed',
    in: 'takeIn',
    find: "if (keeper.state().kind !== 'ready') book.forget();",
    replace: '',
    tests: 'deletion-waits.test.ts',
    why: 'T4, DK3: a disk with an old file of deletions ends a wait that began later',
  },
  {
    name: 'allowance-of-another-wait',
    in: 'allowed',
    find: '?.sinceMs === sinceMs',
    replace: '?.sinceMs !== sinceMs + 1 / 3',
    tests: 'deletion.test.ts',
    why: 'T4, WT3: what a person allowed once is allowed whenever it is dropped again',
  },
];
