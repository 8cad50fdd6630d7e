/**
 * Requests to sleds, as the history keeps them.
 *
 * RE1. Every put and copy that a sled took is recorded; put_config and list are when their outcome changes, so that
 *      a quiet fleet writes nothing, and neither does a Nexus that was restarted. These changes, and failures, are within the
 *      allowance of the sled (EVL1).
 * RE2. A failure is recorded when it begins, and ever more rarely while it goes on (repeats.ts).
 */
import type { Note } from '../../history/history.ts';
import type { AdmitEvent } from '../../history/sled-allowance.ts';
import type { SledRequest } from '../../history/sled-request.ts';
import { createRepeats } from './repeats.ts';

const OK = 'ok';

export const createRequestEvents = (note: Note, admit: AdmitEvent): ((request: SledRequest) => void) => {
  const repeats = createRepeats();
  return request => {
    const { operation, sledId, sha256, failure } = request;
    const thing = [operation, sledId, sha256 ?? ''].join(' ');
    const outcome = repeats.note(thing, failure?.code ?? OK);
    const changesSomething = operation === 'put' || operation === 'copy';
    const isOk = failure === undefined;
    const isRecorded = isOk ? changesSomething || outcome.isChange : outcome.isWorthRecording;
    if (!isRecorded || (!(changesSomething && isOk) && !admit(sledId))) return;
    const facts = {
      timeMs: request.startedMs,
      sledId,
      generation: request.generation,
      elapsedMs: request.elapsedMs,
      ...(isOk && outcome.isChange && { hadFailed: true }),
      ...(!isOk && { errorCode: failure.code, error: failure.message, failures: outcome.count }),
    };
    if (!changesSomething) note({ kind: operation, ...facts });
    else if (sha256 === undefined) return;
    else if (operation === 'put') note({ kind: operation, ...facts, sha256 });
    else note({ kind: operation, ...facts, sha256, sourceSledId: request.sourceSledId });
  };
};
