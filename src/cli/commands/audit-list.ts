import type { Command } from 'commander';
import type { AuditEntryView } from '../../api/operator-audit-api.ts';
import { MAX_PAGE_LIMIT } from '../../api/wire.ts';
import { parseAuditContent } from '../../core/facts/audit.ts';
import { actorText, auditText } from '../../core/facts/audit-text.ts';
import { isoTime } from '../../lib/clock.ts';
import { parseAmount } from '../arguments/amount.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

const DEFAULT_ENTRIES = 100;
const MAX_ENTRIES = 100_000;

export const addAuditList = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('list')
      .description(
        'changes by persons, and refused requests: who, when, from where, what; the newest last, in JSON the newest first',
      )
      .option('--limit <number>', `how many of the newest (${DEFAULT_ENTRIES})`),
    'tuf-depot audit list --limit 20',
  ).action(async (options: RemoteOptions & { readonly limit?: string }) => {
    const limit = parseAmount(options.limit, '--limit', MAX_ENTRIES) ?? DEFAULT_ENTRIES;
    const entries = await withDepot(session, options, depot => newestEntries(depot, limit));
    const { outStyle: style, outColumns } = session.terminal;
    present(session, options, entries, () =>
      entries.length === 0
        ? ['Neither a change by a person nor a refused request is recorded.']
        : tableLines(
            entries.toReversed().map(shown),
            [
              { title: 'NO', cell: entry => String(entry.seq), align: 'right' },
              { title: 'TIME', cell: entry => entry.time },
              { title: 'BY', cell: entry => entry.by, paint: style.bold },
              { title: 'FROM', cell: entry => entry.from },
              { title: 'WHAT', cell: entry => entry.change },
            ],
            { style, width: outColumns() },
          ),
    );
  });
};

const newestEntries = async (depot: Depot, limit: number): Promise<AuditEntryView[]> => {
  const entries: AuditEntryView[] = [];
  let pageToken: string | undefined;
  do {
    const page = await depot.audit.auditList({
      query: {
        limit: Math.min(MAX_PAGE_LIMIT, limit - entries.length),
        ...(pageToken !== undefined && { page_token: pageToken }),
      },
    });
    entries.push(...page.items);
    pageToken = page.items.length === 0 ? undefined : (page.next_page ?? undefined);
  } while (pageToken !== undefined && entries.length < limit);
  return entries;
};

/** Read from what the hash covers, and from nothing beside it. */
const shown = ({ seq, content }: AuditEntryView) => {
  const entry = parseAuditContent(content);
  if (entry === undefined) return { seq, time: '-', by: '-', from: '-', change: `unreadable: ${content}` };
  return {
    seq,
    time: isoTime(entry.timeMs),
    by: actorText(entry.actor, entry.nexusId),
    from: entry.remoteAddress ?? '-',
    change: auditText(entry),
  };
};
