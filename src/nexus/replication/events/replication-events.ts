/** The three things of a round that the history follows: requests, lists and the observation. */
import type { Clock } from '../../../lib/clock.ts';
import type { Note } from '../../history/history.ts';
import type { SledRequest } from '../../history/sled-request.ts';
import type { Observation } from '../observation.ts';
import { createObservedEvents } from './observed-events.ts';
import { createRequestEvents } from './request-events.ts';
import { createSledEvents, type SledEvents } from './sled-events.ts';

export type ReplicationEvents = {
  readonly requested: (request: SledRequest) => void;
  readonly listed: SledEvents['listed'];
  readonly observed: (observation: Observation) => void;
};

export const createReplicationEvents = (deps: { note: Note; clock: Clock }): ReplicationEvents => {
  const noteRequest = createRequestEvents(deps.note);
  const sledEvents = createSledEvents(deps);
  return {
    requested(request) {
      noteRequest(request);
      const { operation, sledId, sha256, sourceSledId, failure, elapsedMs } = request;
      if (operation !== 'copy' || sha256 === undefined || failure !== undefined) return;
      const acceptedMs = deps.clock.monotonicMs() - elapsedMs;
      sledEvents.copyAccepted({ sledId, sha256, sourceSledId, acceptedMs });
    },
    listed: sledEvents.listed,
    observed: createObservedEvents(deps.note),
  };
};
