/** The three things of a round that the history follows: requests, lists and the observation. */
import type { RequestRecord } from '../../../api/operator-fleet-api.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Note } from '../../history/history.ts';
import type { Observation } from '../observation.ts';
import { createObservedEvents } from './observed-events.ts';
import { createRequestEvents } from './request-events.ts';
import { createSledEvents, type SledEvents } from './sled-events.ts';

export type ReplicationEvents = {
  readonly requested: (request: RequestRecord) => void;
  readonly listed: SledEvents['listed'];
  readonly observed: (observation: Observation) => void;
};

export const createReplicationEvents = (deps: { note: Note; clock: Clock }): ReplicationEvents => {
  const noteRequest = createRequestEvents(deps.note);
  const sledEvents = createSledEvents(deps);
  return {
    requested(request) {
      noteRequest(request);
      const { operation, target_sled: sledId, hash, source_sled: sourceSledId, error, elapsed_ms } = request;
      if (operation !== 'copy' || hash === undefined || error !== undefined) return;
      const acceptedMs = deps.clock.monotonicMs() - elapsed_ms;
      sledEvents.copyAccepted({ sledId, sha256: hash, sourceSledId, acceptedMs });
    },
    listed: sledEvents.listed,
    observed: createObservedEvents(deps.note),
  };
};
