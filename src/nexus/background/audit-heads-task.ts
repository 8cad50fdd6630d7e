/**
 * Heads of the audit log, told to every sled in service (T6a).
 *
 *     newest head ─▶ sleds that were not told it: which heads do they keep? ─▶ the log from there on, its chain computed
 *                 ─▶ each of them: the newest head, and what the log has at the numbers that it keeps
 *
 * HT1. The sleds are asked before the log is read, so that a head which another Nexus tells meanwhile is in what is read.
 * HT2. Two heads are told together only if the chain between them is whole: a sled drops the older one for it (AH1).
 * HT3. A sled that does not answer is told in a later period, and one whose version keeps no heads is tried again with the
 *      next entry. Nothing waits for either.
 * HT4. A sled that keeps a head which the log does not have is a reason of the status, until the entry of a recovery explains it.
 * HT5. While every sled knows the newest head, the sleds are read from the database once a minute: so late a new one is told.
 */
import { createHash } from 'node:crypto';
import { type AuditHead, type AuditRow, followChain } from '../../core/audit-chain.ts';
import { type KeptHead, numbersToConfirm } from '../../core/audit-heads.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import type { SledId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import { askAuditHeads } from '../sleds/audit-heads.ts';
import { createExplainedHeads, type ExplainedHeads } from '../sleds/explained-heads.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import type { BackgroundTask } from './task.ts';
import { createToldSleds, tellSleds } from './tell-sleds.ts';

/** A head that no sled was told cannot be missed: the period is how much can be cut unseen. One row is read. */
const PERIOD_MS = 10_000;
const SETTLED_MS = 60_000;
const PAGE_ROWS = 100;
/** A sled that was away for more entries than this keeps its older head beside the newest one. */
const MAX_FOLLOWED = 10_000;

type Deps = {
  readonly datastore: Pick<AuditPort, 'auditHead' | 'auditList'> & Pick<SledPort, 'sledList'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'auditHeads' | 'tellAuditHeads'>;
  readonly clock: Clock;
};
type Parts = Deps & { readonly explained: ExplainedHeads };
type Wait = { readonly log: Logger; readonly signal: AbortSignal };

/** What a sled was told last, and whether it keeps a head that the log did not have then and no recovery explains. */
type Told = { readonly hash: string; readonly contradicts: boolean };

export type AuditHeads = {
  readonly task: BackgroundTask;
  /** That sleds know of entries which the log has lost (HT4). */
  readonly reasons: () => readonly HealthReason[];
};

export const createAuditHeads = (deps: Deps): AuditHeads => {
  const told = createToldSleds<Told>(deps.clock);
  const explained = createExplainedHeads(deps.datastore);
  /** HT5 */
  let settled: { readonly hash: string; readonly untilMs: number } | undefined;
  const contradicting = () => [...told.all()].flatMap(([id, { contradicts }]) => (contradicts ? [id] : []));
  const task: BackgroundTask = {
    name: 'audit_heads',
    description: 'tell the sleds the newest head of the audit log',
    periodMs: PERIOD_MS,
    async activate({ log, signal }) {
      const head = await deps.datastore.auditHead({ signal });
      const summary = { newest_entry: head.seq, waiting: [] as SledId[], contradicting: contradicting() };
      if (settled?.hash === head.hash && settled.untilMs > deps.clock.monotonicMs()) return { summary };
      const sleds = await inServiceTargets(deps, signal);
      const waited = told.untold(sleds, ({ hash }) => hash === head.hash);
      const untold = head.seq === 0 ? [] : waited;
      const waiting = new Set(untold.map(({ id }) => id));
      if (untold.length > 0)
        await tellAll({ ...deps, explained }, untold, head, {
          log,
          signal,
          onTold(id, outcome) {
            told.note(id, outcome);
            waiting.delete(id);
          },
        });
      settled =
        waiting.size > 0 ? undefined : { hash: head.hash, untilMs: deps.clock.monotonicMs() + SETTLED_MS };
      return { summary: { ...summary, waiting: [...waiting], contradicting: contradicting() } };
    },
  };
  return {
    task,
    reasons() {
      const ids = contradicting();
      const [first] = ids;
      return first === undefined
        ? []
        : [{ code: 'AUDIT_LOG_CONTRADICTED', sleds: ids.length, exampleSled: first }];
    },
  };
};

const tellAll = async (
  deps: Parts,
  sleds: readonly SledTarget[],
  head: AuditHead,
  { log, signal, onTold }: Wait & { readonly onTold: (id: SledId, outcome: Told) => void },
): Promise<void> => {
  const asked = await askAuditHeads(deps, sleds, { signal }); // HT1
  if (asked.every(({ answer }) => answer.kind === 'not_asked' && !answer.isOlder)) return;
  const toConfirm = asked.flatMap(({ answer }) =>
    answer.kind === 'heads' ? numbersToConfirm(answer.heads) : [],
  );
  const excerpt = await readExcerpt(deps.datastore, head, toConfirm, { log, signal });
  const { hash } = excerpt.newest;
  const contradictsNow = asked.some(
    ({ answer }) => answer.kind === 'heads' && contradictsLog(answer.heads, excerpt),
  );
  const explained = contradictsNow ? await deps.explained.read(excerpt.newest, { signal }) : new Set();
  for (const { target, answer } of asked)
    if (answer.kind === 'not_asked' && answer.isOlder) onTold(target.id, { hash, contradicts: false });
  await tellSleds(
    {
      each: asked.flatMap(({ target, answer }) =>
        answer.kind === 'heads' ? [{ target, heads: answer.heads }] : [],
      ),
      sledOf: ({ target }) => target,
      async tell({ target, heads }, wait) {
        await deps.connection.tellAuditHeads(target, toldTo(heads, excerpt), wait);
        return contradictsLog(
          heads.filter(each => !explained.has(each.hash)),
          excerpt,
        );
      },
      onTold(id, contradicts) {
        if (contradicts) log.error({ sled_id: id }, 'a sled keeps a head that the audit log does not have');
        onTold(id, { hash, contradicts });
      },
      refusal: 'a sled did not take the newest head of the audit log',
      level: 'info', // repeated each period, as on a full sled
      clock: deps.clock,
    },
    { log, signal },
  );
};

/** The end of the log, with the hashes that one whole chain leads from to the newest head. */
type Excerpt = { readonly newest: AuditHead; readonly hashes: ReadonlyMap<number, string> };

/** From the lowest number that a sled wants confirmed (HT2). */
const readExcerpt = async (
  datastore: Deps['datastore'],
  head: AuditHead,
  toConfirm: readonly number[],
  { log, signal }: Wait,
): Promise<Excerpt> => {
  const from = Math.min(head.seq, ...toConfirm.filter(seq => seq > head.seq - MAX_FOLLOWED));
  const rows: AuditRow[] = [];
  let pageToken: string | undefined = String(from - 1);
  while (pageToken !== undefined && rows.length < 2 * MAX_FOLLOWED) {
    const page = { limit: PAGE_ROWS, pageToken, sortBy: 'seq_ascending' } as const;
    const { items, nextPage } = await datastore.auditList(page, { signal });
    rows.push(...items);
    pageToken = nextPage;
  }
  const [first, ...others] = rows;
  if (first?.seq !== from) return { newest: head, hashes: new Map() };
  const followed = followChain(first, others, sha256);
  if ('fault' in followed) {
    log.error(followed.fault, 'the chain of the audit log is broken');
    return { newest: head, hashes: new Map() };
  }
  return { newest: followed.head, hashes: new Map(rows.map(({ seq, hash }) => [seq, hash])) };
};

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const toldTo = (kept: readonly KeptHead[], { newest, hashes }: Excerpt): readonly AuditHead[] => {
  const others = numbersToConfirm(kept).flatMap(seq => {
    const hash = seq === newest.seq ? undefined : hashes.get(seq);
    return hash === undefined ? [] : [{ seq, hash }];
  });
  return [...others, { seq: newest.seq, hash: newest.hash }];
};

const contradictsLog = (kept: readonly KeptHead[], { newest, hashes }: Excerpt): boolean =>
  numbersToConfirm(kept).length < new Set(kept.map(({ seq }) => seq)).size ||
  kept.some(({ seq, hash }) => seq > newest.seq || (hashes.get(seq) ?? hash) !== hash);
