/** The heads of the audit log that sleds keep (T6a), asked now: each sled for itself, and never for longer than a bounded time. */
import type { AuditHead, AuditRow } from '../../core/audit-chain.ts';
import { contradictions, type KeptHead } from '../../core/audit-heads.ts';
import type { SledId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import { createLimiter } from '../../lib/limiter.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';

/** A list of a few lines, from memory. */
const ANSWER_TIMEOUT_MS = 5_000;
const CONCURRENCY = 64;

type HeadsAnswer =
  | { readonly kind: 'heads'; readonly heads: readonly KeptHead[] }
  /** It does not answer; or its version keeps no heads, which a later one may. */
  | { readonly kind: 'not_asked'; readonly isOlder: boolean; readonly message: string };

export type AskedForHeads = { readonly target: SledTarget; readonly answer: HeadsAnswer };

type Deps = { readonly connection: Pick<SledConnection, 'auditHeads'>; readonly clock: Clock };

export const askAuditHeads = async (
  { connection, clock }: Deps,
  targets: readonly SledTarget[],
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly AskedForHeads[]> => {
  const limiter = createLimiter(CONCURRENCY);
  const ask = async (target: SledTarget): Promise<AskedForHeads> => {
    const timeout = clock.timeout(ANSWER_TIMEOUT_MS);
    try {
      const heads = await connection.auditHeads(target, { signal: AbortSignal.any([signal, timeout]) });
      return { target, answer: { kind: 'heads', heads } };
    } catch (error) {
      signal.throwIfAborted();
      const isOlder = errorCodeOf(error) === 'NOT_FOUND';
      const silent = timeout.aborted ? 'it does not answer in time' : messageChain(error);
      const message = isOlder ? 'its version keeps no heads of the audit log' : silent;
      return { target, answer: { kind: 'not_asked', isOlder, message } };
    }
  };
  return Promise.all(targets.map(target => limiter.run(() => ask(target), { signal })));
};

/** Of these sleds, the heads that the log of the database does not have, sorted by number. */
export const headsLost = async (
  datastore: Pick<AuditPort, 'auditList'>,
  asked: readonly AskedForHeads[],
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly AuditHead[]> => {
  const kept = asked.flatMap(({ target: { id }, answer }) =>
    answer.kind === 'heads' ? [{ sled: id, heads: answer.heads }] : [],
  );
  const hashes = new Map<number, string>();
  for (const seq of new Set(kept.flatMap(({ heads }) => heads.map(head => head.seq)))) {
    const row = await entryAt(datastore, seq, signal);
    if (row !== undefined) hashes.set(seq, row.hash);
  }
  return contradictions<SledId>(kept, seq => hashes.get(seq)).map(({ seq, hash }) => ({ seq, hash }));
};

const entryAt = async (
  datastore: Pick<AuditPort, 'auditList'>,
  seq: number,
  signal: AbortSignal,
): Promise<AuditRow | undefined> => {
  const page = { limit: 1, pageToken: String(seq - 1), sortBy: 'seq_ascending' } as const;
  const [row] = (await datastore.auditList(page, { signal })).items;
  return row?.seq === seq ? row : undefined;
};
