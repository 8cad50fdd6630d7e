/**
 * The three things of a round that the history follows: requests, lists and the observation.
 *
 * EVL1. How a sled is, what it reports and how its requests fail are events of its own making: they are within allowances, so that
 *       neither one sled nor many ids push out the others. Requests that a sled took are not: the Nexus decides on them.
 */
import type { Clock } from '../../../lib/clock.ts';
import type { Note } from '../../history/history.ts';
import { createSledAllowance } from '../../history/sled-allowance.ts';
import type { SledRequest } from '../../history/sled-request.ts';
import type { Observation } from '../observation.ts';
import { createObservedEvents } from './observed-events.ts';
import { createRequestEvents } from './request-events.ts';
import { createSledEvents, type SledEvents } from './sled-events.ts';

/** A sled that comes and goes; then one a minute. A fleet of 1,000 sleds that falls silent and returns. */
const STATES = {
  ofSled: { burst: 16, everyMs: 60_000 },
  ofAll: { burst: 2_048, everyMs: 10_000 },
};

/** The deletions of some releases; then 8,640 a day of a sled, and 43,200 of all, of the 200,000 that the history has. */
const REPORTS = {
  ofSled: { burst: 1_024, everyMs: 10_000 },
  ofAll: { burst: 16_384, everyMs: 2_000 },
};

export type ReplicationEvents = {
  readonly requested: (request: SledRequest) => void;
  readonly listed: SledEvents['listed'];
  readonly observed: (observation: Observation) => void;
};

export const createReplicationEvents = (deps: { note: Note; clock: Clock }): ReplicationEvents => {
  const admitReport = createSledAllowance(deps.clock, REPORTS);
  const noteRequest = createRequestEvents(deps.note, admitReport);
  const sledEvents = createSledEvents({ ...deps, admit: admitReport });
  return {
    requested(request) {
      noteRequest(request);
      const { operation, sledId, sha256, sourceSledId, failure, elapsedMs } = request;
      if (operation !== 'copy' || sha256 === undefined || failure !== undefined) return;
      const acceptedMs = deps.clock.monotonicMs() - elapsedMs;
      sledEvents.copyAccepted({ sledId, sha256, sourceSledId, acceptedMs });
    },
    listed: sledEvents.listed,
    observed: createObservedEvents(deps.note, createSledAllowance(deps.clock, STATES)),
  };
};
