/**
 * Clients that upload and delete at both Nexuses, each one act after the other, while the database fails over.
 *
 * CI1. A fault lasts until it is noticed (`untilAllWait`), and the clients go on after it until each Nexus has done more
 *      (`untilDoneAtEach`): neither is a length of time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { TestRelease } from '../../src/signing/release.fixture.ts';
import { type TestNexus, until } from '../process-fleet.fixture.ts';
import type { ReleaseAct } from '../release-history.ts';
import type { Workload } from '../release-workload.ts';

export type Act = {
  readonly nexus: TestNexus;
  readonly release: TestRelease;
  readonly kind: ReleaseAct['kind'];
};

/** What a client does next. */
export type Choose = () => Act | Promise<Act>;

export type RunningClients = {
  /** Every client waits for an answer: the database gives none. */
  readonly untilAllWait: () => Promise<void>;
  /** Each Nexus has uploaded or deleted this much more. */
  readonly untilDoneAtEach: (more: number) => Promise<void>;
  /** Each client ends its last act. */
  readonly end: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** So many looks without an answer to anybody: there is no database, rather than a slow one. */
const QUIET_LOOKS = 10;

export const runClients = (
  workload: Pick<Workload, 'act' | 'answers'>,
  nexuses: readonly TestNexus[],
  choices: readonly Choose[],
): RunningClients => {
  const over = new AbortController();
  const done = new Map<TestNexus, number>(nexuses.map(nexus => [nexus, 0]));
  let waiting = 0;

  const client = async (choose: Choose): Promise<void> => {
    while (!over.signal.aborted) {
      const { nexus, release, kind } = await choose();
      waiting += 1;
      const { outcome } = await workload.act(nexus, release, kind);
      waiting -= 1;
      if (outcome === 'done') done.set(nexus, done.get(nexus)! + 1);
      await delay(0);
    }
  };
  const clients = Promise.all(choices.map(client));
  const end = async () => {
    over.abort();
    await clients;
  };
  return {
    async untilAllWait() {
      let [answered, looks] = [0, 0];
      await until(async () => {
        const now = answeredBy(workload);
        looks = waiting === choices.length && now === answered ? looks + 1 : 0;
        answered = now;
        return looks >= QUIET_LOOKS;
      }, 'every client waits');
    },
    async untilDoneAtEach(more) {
      const before = new Map(done);
      const isDone = async () => [...done].every(([nexus, count]) => count >= before.get(nexus)! + more);
      await until(isDone, `each Nexus has done ${more} more, of ${answersOf(workload)}`);
    },
    end,
    [Symbol.asyncDispose]: end,
  };
};

type Answers = Pick<Workload, 'answers'>;

const answeredBy = ({ answers }: Answers): number => [...answers.values()].reduce((sum, n) => sum + n, 0);

const answersOf = ({ answers }: Answers): string => JSON.stringify(Object.fromEntries(answers));
