/**
 * Clients that upload and delete the same few releases at both Nexuses, while the database fails over.
 *
 * WL1. The answers are compared with the final state (`release-history.ts`): an acknowledged upload is present unless it was
 *      deleted, and a release is absent only if a request explains it.
 */
import { expect } from 'vitest';
import { seededRng } from '../../src/core/rng.ts';
import { messageChain } from '../../src/lib/errors.ts';
import { readWanted } from '../fleet-audit.ts';
import { createWorkload, makeReleases } from '../release-workload.ts';
import { type Choose, type RunningClients, runClients } from './clients.fixture.ts';
import { type FailoverFleet, untilConverged } from './failover-fleet.fixture.ts';

const RELEASES = 5;
const CLIENTS = 4;
const SIZE_BYTES = 5_000;

export type RunningWorkload = RunningClients & {
  /** Ends the clients, waits for the fleet to converge, and compares (WL1). */
  readonly finish: () => Promise<void>;
};

export const startWorkload = async (failed: FailoverFleet): Promise<RunningWorkload> => {
  const { fleet, nexuses, directory } = failed;
  const releases = await makeReleases(directory, RELEASES, SIZE_BYTES);
  await nexuses[0].trust(releases[0]!);
  const workload = createWorkload(fleet, releases);
  const choice = (seed: number): Choose => {
    const rng = seededRng(seed);
    return () => ({
      nexus: nexuses[rng.below(nexuses.length)]!,
      release: releases[rng.below(releases.length)]!,
      kind: rng.below(3) === 0 ? 'delete' : 'upload',
    });
  };
  const choices = Array.from({ length: CLIENTS }, (_, n) => choice(n + 1));
  const clients = runClients(workload, nexuses, choices);
  return {
    ...clients,
    async finish() {
      await clients.end();
      const converged = await untilConverged(fleet).then(() => true, messageChain);
      const { versions } = await readWanted(fleet);
      const { unexpected } = workload;
      const found = { converged, unexpected, contradictions: workload.contradictions(versions) };
      expect(found).toEqual({ converged: true, unexpected: [], contradictions: [] });
    },
  };
};
