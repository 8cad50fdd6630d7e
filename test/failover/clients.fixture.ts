/**
 * Clients that upload and delete at both Nexuses, one request at a time each, while the database fails over.
 *
 * CI1. A fault lasts until every client waits for an answer (`untilAllWait`), and the clients continue after it until each
 *      Nexus has done more (`untilDoneAtEach`): neither depends on a length of time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { TestRelease } from '../../src/signing/release.fixture.ts';
import type { TestNexus } from '../fleet-members.fixture.ts';
import { until } from '../fleet-process.fixture.ts';
import type { ReleaseAct } from '../release-history.ts';
import type { Workload } from '../release-workload.ts';

type Act = {
  readonly nexus: TestNexus;
  readonly release: TestRelease;
  readonly kind: ReleaseAct['kind'];
};

/** The next request of a client. */
export type Choose = () => Act | Promise<Act>;

export type RunningClients = {
  /** Resolves when every client waits for an answer, which the database does not give. */
  readonly untilAllWait: () => Promise<void>;
  /** Resolves when each Nexus has done so many more uploads and deletions. */
  readonly untilDoneAtEach: (more: number) => Promise<void>;
  /** Resolves when each client has finished its last request. */
  readonly end: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** After so many polls in which no client had an answer, the database is away and not only slow. */
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
