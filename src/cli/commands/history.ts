import type { Command } from 'commander';
import { FleetEventKind, type FleetEventView, type HistoryQuery } from '../../api/operator-history-api.ts';
import { MAX_PAGE_LIMIT } from '../../api/wire.ts';
import { EVENT_KINDS } from '../../core/facts/event.ts';
import { isoTime } from '../../lib/clock.ts';
import { parseAmount } from '../arguments/amount.ts';
import { durationMs } from '../arguments/duration.ts';
import { parseVersion } from '../arguments/versions.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { findArtifact } from '../connection/find-artifact.ts';
import { findSled } from '../connection/find-sled.ts';
import { eventLines } from '../output/events.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

const DEFAULT_EVENTS = 100;
const MAX_EVENTS = 100_000;

type HistoryOptions = RemoteOptions & {
  readonly sled?: string;
  readonly artifact?: string;
  readonly release?: string;
  readonly kind?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: string;
};

export const addHistory = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('history')
      .description(
        'requests to sleds, their outcomes, and changes; the newest last, in JSON the newest first',
      )
      .option('--sled <sled>', 'of one sled, by id or serial number')
      .option('--artifact <sha256>', 'of one artifact: its SHA-256, or a prefix that a wanted one has')
      .option('--release <version>', 'of one release and of its artifacts')
      .option('--kind <kind>', 'events of one kind, such as deletion or copy-failed')
      .option(
        '--since <time>',
        'from then on: 90s, 15m, 2h, 7d ago, or a time such as 2026-01-02T03:04:05 (in UTC, as times are shown; or with a zone, +02:00)',
      )
      .option('--until <time>', 'before then')
      .option('--limit <number>', `how many of the newest (${DEFAULT_EVENTS})`),
    'tuf-depot history --release 1.2.0 --since 2h\ntuf-depot history --sled BRM42220031 --kind deletion',
  ).action(async (options: HistoryOptions) => {
    const limit = parseAmount(options.limit, '--limit', MAX_EVENTS) ?? DEFAULT_EVENTS;
    const nowMs = session.clock.nowMs();
    const bounds = {
      ...(options.kind !== undefined && { kind: parseKind(options.kind) }),
      ...(options.release !== undefined && { system_version: parseVersion(options.release) }),
      ...(options.since !== undefined && { since: parseTime(options.since, '--since', nowMs) }),
      ...(options.until !== undefined && { until: parseTime(options.until, '--until', nowMs) }),
    };
    const { events, serials } = await withDepot(session, options, async depot => {
      const filter = {
        ...bounds,
        ...(options.sled !== undefined && { sled_id: (await findSled(depot, options.sled)).id }),
        ...(options.artifact !== undefined && { sha256: await findArtifact(depot, options.artifact) }),
      };
      const sleds = options.json === true ? [] : await depot.allSleds();
      return {
        events: await newestEvents(depot, filter, limit),
        serials: new Map(sleds.map(({ id, serial }) => [id, serial])),
      };
    });
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, events, () =>
      events.length === 0
        ? ['No such events are recorded.']
        : eventLines(
            events,
            { serials, withoutHash: options.artifact !== undefined },
            { style, width: outColumns() },
          ),
    );
  });
};

type Filter = Omit<HistoryQuery, 'limit' | 'page_token'>;

const newestEvents = async (depot: Depot, filter: Filter, limit: number): Promise<FleetEventView[]> => {
  const events: FleetEventView[] = [];
  let pageToken: string | undefined;
  do {
    const page = await depot.history.fleetHistory({
      query: {
        ...filter,
        limit: Math.min(MAX_PAGE_LIMIT, limit - events.length),
        ...(pageToken !== undefined && { page_token: pageToken }),
      },
    });
    events.push(...page.items);
    pageToken = page.items.length === 0 ? undefined : (page.next_page ?? undefined);
  } while (pageToken !== undefined && events.length < limit);
  return events;
};

const parseKind = (text: string): FleetEventKind => {
  const kind = FleetEventKind.safeParse(text.replaceAll('-', '_'));
  if (kind.success) return kind.data;
  throw usageError(`${text} is not a kind of event`, `use one of ${EVENT_KINDS.join(', ')}`);
};

const TIME_WITHOUT_ZONE = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/;

/** A time as the table shows it, which is in UTC, means the same when it is typed. */
const inUtc = (text: string): string => (TIME_WITHOUT_ZONE.test(text) ? `${text}Z` : text);

/** A time, or how long ago. */
const parseTime = (text: string, option: string, nowMs: number): string => {
  const agoMs = durationMs(text);
  const timeMs = agoMs === undefined ? Date.parse(inUtc(text)) : Math.max(0, nowMs - agoMs);
  if (Number.isFinite(timeMs)) return isoTime(timeMs);
  throw usageError(
    `${option} ${text} is not a time`,
    'give an age such as 90s, 15m, 2h or 7d, or a time such as 2026-01-02T03:04:05Z',
  );
};
