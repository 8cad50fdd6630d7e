import type { Command } from 'commander';
import { MAX_PAGE_LIMIT } from '../../api/wire.ts';
import type { AuditRow } from '../../core/audit-chain.ts';
import { Sha256Hex } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { usageError } from '../output/failure.ts';
import { exitCodes } from '../session/exit-code.ts';
import { present, type Session } from '../session/session.ts';
import { type AuditVerdict, checkAuditLog } from '../trust/audit-check.ts';

/** More than all changes by persons in the life of a fleet: a server that never ends a list is refused. */
const MAX_PAGES = 10_000;

export const addAuditVerify = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('verify')
      .description(
        'compute the chain of the audit log again and name the first wrong entry; exits with 1 for a log that is not whole',
      )
      .option('--head <hash>', 'a hash that an earlier run printed: the log must still have that entry'),
    'tuf-depot audit verify\ntuf-depot audit verify --head 5f0c7c52…',
  ).action(async (options: RemoteOptions & { readonly head?: string }) => {
    const noted = options.head === undefined ? undefined : parseHash(options.head);
    const verdict = await withDepot(session, options, async depot =>
      checkAuditLog(entriesOf(depot), await depot.audit.auditHead(), noted),
    );
    present(session, options, verdict, () => verdictLines(verdict));
    if (verdict.state !== 'whole') session.exit(exitCodes.failed);
  });
};

async function* entriesOf(depot: Depot): AsyncGenerator<readonly AuditRow[]> {
  let pageToken: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const page = await depot.audit.auditList({
      query: {
        limit: MAX_PAGE_LIMIT,
        sort_by: 'seq_ascending',
        ...(pageToken !== undefined && { page_token: pageToken }),
      },
    });
    yield page.items;
    if (page.next_page === undefined || page.next_page === null) return;
    pageToken = page.next_page;
  }
  throw new DepotError('PEER_BAD_ANSWER', `the audit log has not ended after ${MAX_PAGES} pages`);
}

const parseHash = (text: string): string => {
  const hash = Sha256Hex.safeParse(text.trim().toLowerCase());
  if (hash.success) return hash.data;
  throw usageError(`--head ${text} is not a SHA-256`, 'give the hash that an earlier audit verify printed');
};

const verdictLines = (verdict: AuditVerdict): string[] => {
  switch (verdict.state) {
    case 'whole':
      return verdict.head.seq === 0
        ? ['The audit log is empty.']
        : [
            `The audit log is whole, up to entry ${verdict.head.seq}.`,
            `Its head is ${verdict.head.hash}`,
            'Note the head outside of this fleet; a later run checks it with --head.',
          ];
    case 'missing':
      return [`Entry ${verdict.seq} of the audit log is missing. The entries before it are whole.`];
    case 'altered':
      return [
        `Entry ${verdict.seq} of the audit log was altered: its hash does not follow from the entry before and its content.`,
      ];
    case 'cut':
      return [
        `The audit log ends with entry ${verdict.head.seq}, and does not have entry ${verdict.expected.seq} with the hash ${verdict.expected.hash}, the newest by the database.`,
      ];
    case 'forked':
      return [
        `No entry of the audit log has the noted hash ${verdict.noted}: entries were removed at its end, or it was written anew. Its chain is whole up to entry ${verdict.head.seq}.`,
      ];
    default:
      return verdict satisfies never;
  }
};
