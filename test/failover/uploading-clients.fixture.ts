/**
 * Clients that upload one release after the other at both Nexuses, and delete some, while the database fails over.
 *
 * UC1. Each release is uploaded by one client, which repeats the upload until it is acknowledged: every release that was begun
 *      has to be present at the end, whatever happens to the database.
 * UC2. A deletion whose answer is uncertain is repeated. One that is refused is left to the operator.
 */
import { expect } from 'vitest';
import type { TestRelease } from '../../src/signing/release.fixture.ts';
import type { TestNexus } from '../fleet-members.fixture.ts';
import type { ReleaseAct } from '../release-history.ts';
import { createWorkload, type Workload } from '../release-workload.ts';
import { type Choose, type RunningClients, runClients } from './clients.fixture.ts';
import type { FailoverFleet } from './failover-fleet.fixture.ts';

export type UploadingClients = RunningClients & {
  /** Acknowledged so far. */
  readonly uploaded: readonly TestRelease[];
  readonly deleted: readonly TestRelease[];
  /** The next request at the first Nexus deletes the first of these, at the second Nexus the other one. */
  readonly deleteNext: (releases: readonly TestRelease[]) => void;
  /** Ends the clients, and fails if one of them had an answer that no client may get. */
  readonly finish: () => Promise<void>;
};

const CLIENTS_EACH = 2;

export const startUploadingClients = (
  { fleet, nexuses }: FailoverFleet,
  series: () => Promise<TestRelease>,
): UploadingClients => {
  const workload = createWorkload(fleet, []);
  const uploaded: TestRelease[] = [];
  const deleted: TestRelease[] = [];
  /** After a failure nothing is repeated. */
  const givenUp = new AbortController();
  const due = new Map<TestNexus, TestRelease[]>(nexuses.map(nexus => [nexus, []]));
  const choice =
    (nexus: TestNexus): Choose =>
    async () => {
      const release = due.get(nexus)!.shift();
      if (release !== undefined) return { nexus, release, kind: 'delete' };
      return { nexus, release: await series(), kind: 'upload' };
    };
  const isOver = ({ outcome, kind }: ReleaseAct): boolean =>
    outcome === 'done' || (outcome === 'refused' && kind === 'delete');
  const act: Workload['act'] = async (nexus, release, kind) => {
    let last = await workload.act(nexus, release, kind);
    while (!isOver(last) && workload.unexpected.length === 0 && !givenUp.signal.aborted)
      last = await workload.act(nexus, release, kind);
    if (last.outcome === 'done') (kind === 'upload' ? uploaded : deleted).push(release);
    return last;
  };
  const choices = nexuses.flatMap(nexus => Array.from({ length: CLIENTS_EACH }, () => choice(nexus)));
  const clients = runClients({ answers: workload.answers, act }, nexuses, choices);
  return {
    ...clients,
    uploaded,
    deleted,
    deleteNext(releases) {
      for (const [n, nexus] of nexuses.entries()) due.get(nexus)!.push(releases[n]!);
    },
    async finish() {
      await clients.end();
      expect(workload.unexpected).toEqual([]);
    },
    async [Symbol.asyncDispose]() {
      givenUp.abort();
      await clients.end();
    },
  };
};
