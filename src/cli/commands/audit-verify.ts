import type { Command } from 'commander';
import { MAX_PAGE_LIMIT } from '../../api/wire.ts';
import type { AuditRow } from '../../core/audit-chain.ts';
import { Sha256Hex } from '../../core/ids.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { usageError } from '../output/failure.ts';
import { exitCodes } from '../session/exit-code.ts';
import { present, type Session } from '../session/session.ts';
import { checkAuditLog } from '../trust/audit-check.ts';
import { verdictLines, verdictView } from '../trust/audit-verdict.ts';

/** More than all changes by persons in the life of a fleet: a server that never ends a list is refused. */
const MAX_PAGES = 10_000;

export const addAuditVerify = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('verify')
      .description(
        'compute the chain of the audit log again, compare it with the heads that sleds keep, and name what is wrong; exits with 1 for a log that is not whole',
      )
      .option('--head <hash>', 'a hash that an earlier run printed: the log must still have that entry'),
    'tuf-depot audit verify\ntuf-depot audit verify --head 5f0c7c52…',
  ).action(async (options: RemoteOptions & { readonly head?: string }) => {
    const noted = options.head === undefined ? undefined : parseHash(options.head);
    const { verdict, sleds } = await withDepot(session, options, async depot => {
      const sleds = await askSleds(depot); // before the log: AUC1
      const expected = await depot.audit.auditHead();
      return {
        sleds,
        verdict: await checkAuditLog(entriesOf(depot), { expected, noted, kept: sleds.asked }),
      };
    });
    present(session, options, verdictView(verdict, sleds), () => verdictLines(verdict, sleds));
    if (verdict.state !== 'whole') session.exit(exitCodes.failed);
  });
};

/** A Nexus of an older version asks no sleds. */
const askSleds = async (depot: Depot) => {
  const { sleds } = await depot.audit.auditSledHeads().catch((error: unknown) => {
    if (errorCodeOf(error) === 'NOT_FOUND') return { sleds: [] };
    throw error;
  });
  return {
    asked: sleds.flatMap(({ sled_id, serial, heads }) =>
      heads === undefined
        ? []
        : [
            {
              sled: { sled_id, serial },
              heads: heads.map(({ time, ...head }) => ({ ...head, timeMs: Date.parse(time) })),
            },
          ],
    ),
    notAsked: sleds.flatMap(({ sled_id, serial, heads, message = 'it gives no reason' }) =>
      heads === undefined ? [{ sled_id, serial, message }] : [],
    ),
  };
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
