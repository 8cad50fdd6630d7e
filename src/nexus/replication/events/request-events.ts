/**
 * Requests to sleds, as the history keeps them.
 *
 * RE1. Every put and copy that a sled took is recorded; put_config and list are when their outcome changes, so that
 *      a quiet fleet writes nothing, and neither does a Nexus that was restarted.
 * RE2. A failure is recorded when it begins, and ever more rarely while it goes on (repeats.ts).
 */
import type { RequestRecord } from '../../../api/operator-fleet-api.ts';
import type { Note } from '../../history/history.ts';
import { createRepeats } from './repeats.ts';

const OK = 'ok';

export const createRequestEvents = (note: Note): ((request: RequestRecord) => void) => {
  const repeats = createRepeats();
  return request => {
    const { operation, target_sled: sledId, hash, error_code: errorCode, error } = request;
    const thing = [operation, sledId, hash ?? ''].join(' ');
    const outcome = repeats.note(thing, errorCode ?? OK);
    const changesSomething = operation === 'put' || operation === 'copy';
    const isOk = errorCode === undefined;
    const isRecorded = isOk ? changesSomething || outcome.isChange : outcome.isWorthRecording;
    if (!isRecorded) return;
    const facts = {
      timeMs: Date.parse(request.time),
      sledId,
      generation: request.generation,
      elapsedMs: request.elapsed_ms,
      ...(isOk && outcome.isChange && { hadFailed: true }),
      ...(!isOk && { errorCode, error, failures: outcome.count }),
    };
    if (!changesSomething) note({ kind: operation, ...facts });
    else if (hash === undefined) return;
    else if (operation === 'put') note({ kind: operation, ...facts, sha256: hash });
    else note({ kind: operation, ...facts, sha256: hash, sourceSledId: request.source_sled });
  };
};
