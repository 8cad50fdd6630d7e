/** Handlers of the operator's API for the history: queued events of this Nexus are written first. */
import type { FleetEventView, operatorHistoryApi } from '../../api/operator-history-api.ts';
import { type ArtifactHash, SystemVersion } from '../../core/ids.ts';
import type { Handlers } from '../../http/handlers.ts';
import { isoTime } from '../../lib/clock.ts';
import type { FleetEvent, HistoryPort } from '../datastore/ports/history-port.ts';
import type { History } from '../history/history.ts';
import { showStored } from '../history/stored-event.ts';
import { askedPage, pageView } from './results-page.ts';

/** Of one artifact: enough to see the attempts; the rest is in the history itself. */
const MAX_ARTIFACT_EVENTS = 200;

type Deps = {
  readonly datastore: Pick<HistoryPort, 'fleetEventList'>;
  readonly history: Pick<History, 'flush'>;
};

export const createOperatorHistoryApi = (deps: Deps): Handlers<typeof operatorHistoryApi> => ({
  async fleetHistory({ query, signal }) {
    await written(deps, signal);
    const events = await deps.datastore.fleetEventList(
      {
        ...askedPage(query),
        sledId: query.sled_id,
        sha256: query.sha256,
        systemVersion:
          query.system_version === undefined ? undefined : SystemVersion.parse(query.system_version),
        kind: query.kind,
        sinceMs: timeOf(query.since),
        untilMs: timeOf(query.until),
      },
      { signal },
    );
    return pageView(events, eventView);
  },
});

/** The newest events of one artifact, the newest first. */
export const recentEvents = async (
  deps: Deps,
  sha256: ArtifactHash,
  { signal }: { signal: AbortSignal },
): Promise<FleetEventView[]> => {
  await written(deps, signal);
  const { items } = await deps.datastore.fleetEventList({ sha256, limit: MAX_ARTIFACT_EVENTS }, { signal });
  return items.map(eventView);
};

/** A database that accepts no events now may still answer with the recorded ones. */
const written = ({ history }: Deps, signal: AbortSignal): Promise<unknown> =>
  history.flush({ signal }).catch(() => signal.throwIfAborted());

const timeOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Date.parse(text);

const eventView = (event: FleetEvent): FleetEventView => ({
  id: event.id,
  time: isoTime(event.timeMs),
  nexus_id: event.nexusId,
  kind: event.kind,
  ...(event.sledId !== undefined && { sled_id: event.sledId }),
  ...(event.sha256 !== undefined && { sha256: event.sha256 }),
  ...(event.generation !== undefined && { generation: event.generation }),
  ...(event.systemVersion !== undefined && { system_version: event.systemVersion }),
  ...(event.sourceSledId !== undefined && { source_sled_id: event.sourceSledId }),
  ...(event.elapsedMs !== undefined && { elapsed_ms: event.elapsedMs }),
  ...(event.errorCode !== undefined && { error_code: event.errorCode }),
  ...showStored(event),
});
