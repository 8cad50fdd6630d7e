/**
 * Clients that upload and delete the same few releases at both Nexuses, while the database fails over.
 *
 * WL1. A fault lasts until it is noticed (`untilAllWait`), and the workload goes on after it until each Nexus has done
 *      more (`untilDoneAtEach`): neither is a length of time.
 * WL2. What was answered is compared with what there is (`release-history.ts`): an acknowledged upload is present unless
 *      it was deleted, and a release is absent only where that can be explained.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { seededRng } from '../../src/core/rng.ts';
import { messageChain } from '../../src/lib/errors.ts';
import { readWanted } from '../fleet-audit.ts';
import { type TestNexus, until } from '../process-fleet.fixture.ts';
import { createWorkload, makeReleases, type Workload } from '../release-workload.ts';
import { type FailoverFleet, untilConverged } from './failover-fleet.fixture.ts';

const RELEASES = 5;
const CLIENTS = 4;
const SIZE_BYTES = 5_000;
/** So many looks without an answer to anybody: there is no database, rather than a slow one. */
const QUIET_LOOKS = 10;

export type RunningWorkload = {
  readonly answers: Workload['answers'];
  /** Every client waits for an answer: the database gives none. */
  readonly untilAllWait: () => Promise<void>;
  /** Each Nexus has uploaded or deleted this much more. */
  readonly untilDoneAtEach: (more: number) => Promise<void>;
  /** Ends the clients, waits for the fleet to converge, and compares (WL2). */
  readonly finish: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export const startWorkload = async (failed: FailoverFleet): Promise<RunningWorkload> => {
  const { fleet, nexuses, directory } = failed;
  const releases = await makeReleases(directory, RELEASES, SIZE_BYTES);
  await nexuses[0].trust(releases[0]!);
  const workload = createWorkload(fleet, releases);
  const over = new AbortController();
  const done = new Map<TestNexus, number>(nexuses.map(nexus => [nexus, 0]));
  let waiting = 0;

  const client = async (seed: number): Promise<void> => {
    const rng = seededRng(seed);
    while (!over.signal.aborted) {
      const nexus = nexuses[rng.below(nexuses.length)]!;
      const release = releases[rng.below(releases.length)]!;
      waiting += 1;
      const { outcome } = await workload.act(nexus, release, rng.below(3) === 0 ? 'delete' : 'upload');
      waiting -= 1;
      if (outcome === 'done') done.set(nexus, done.get(nexus)! + 1);
      await delay(0);
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, n) => client(n + 1)));
  const end = async () => {
    over.abort();
    await clients;
  };
  return {
    answers: workload.answers,
    async untilAllWait() {
      let [answered, looks] = [0, 0];
      await until(async () => {
        const now = answeredBy(workload);
        looks = waiting === CLIENTS && now === answered ? looks + 1 : 0;
        answered = now;
        return looks >= QUIET_LOOKS;
      }, 'every client waits');
    },
    async untilDoneAtEach(more) {
      const before = new Map(done);
      const isDone = async () => [...done].every(([nexus, count]) => count >= before.get(nexus)! + more);
      await until(isDone, `each Nexus has done ${more} more, of ${answersOf(workload)}`);
    },
    async finish() {
      await end();
      const converged = await untilConverged(fleet).then(() => true, messageChain);
      const { versions } = await readWanted(fleet);
      const { unexpected } = workload;
      const found = { converged, unexpected, contradictions: workload.contradictions(versions) };
      expect(found).toEqual({ converged: true, unexpected: [], contradictions: [] });
    },
    [Symbol.asyncDispose]: end,
  };
};

const answeredBy = ({ answers }: Workload): number => [...answers.values()].reduce((sum, n) => sum + n, 0);

const answersOf = ({ answers }: Workload): string => JSON.stringify(Object.fromEntries(answers));
