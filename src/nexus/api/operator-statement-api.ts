/**
 * Handlers of the operator's API for statements.
 *
 *     records ─▶ each parsed and judged once ─▶ those that are not refused are merged ─▶ views: what it is, and whether it counts
 *
 * STA1. Only what can count is recorded: a statement of this fleet, and where this Nexus has the admin key, one that it verifies.
 * STA2. One that is refused outweighs nothing: sleds, which verify each, do not count it either.
 */
import type { operatorStatementApi, StatementView } from '../../api/operator-statement-api.ts';
import {
  entriesOf,
  mergeStatements,
  parseStatement,
  type SignedStatement,
  type Statement,
  type StatementEntry,
  subjectOf,
} from '../../core/statement.ts';
import type { Handlers } from '../../http/handlers.ts';
import { type AdminKeys, verifyStatement } from '../../identity/admin-key.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import type { StatementPort, StatementRecord } from '../datastore/ports/statement-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';

type Deps = {
  readonly datastore: StatementPort;
  readonly originOf: OriginOf;
  readonly fleet: string;
  readonly adminKeys: AdminKeys;
  /** Tells the sleds at once. */
  readonly announceStatements: () => void;
};

export const createOperatorStatementApi = (deps: Deps): Handlers<typeof operatorStatementApi> => ({
  async statementList({ signal }) {
    return {
      items: viewsOf(await deps.datastore.statementList({ signal }), deps),
      fleet: deps.fleet,
      admin_keys: deps.adminKeys.list().map(({ digest }) => digest),
    };
  },

  async statementCreate({ body, signal, log, ...request }) {
    const entry = requireStatement(body, deps);
    const record = await deps.datastore.statementInsert(entry, { signal, audit: deps.originOf(request) });
    deps.announceStatements();
    const { kind, id } = entry.statement;
    log.info({ statement_id: id, kind, admin_key: body.key }, 'statement of an admin key recorded');
    const listed = await deps.datastore.statementList({ signal });
    const [view] = viewsOf([record, ...listed.filter(other => !isSame(other.signed, record.signed))], deps);
    if (view === undefined) throw new Error('a statement that was recorded can be read');
    return view;
  },
});

/** STA1 */
const requireStatement = (signed: SignedStatement, by: Pick<Deps, 'fleet' | 'adminKeys'>): StatementEntry => {
  const verified = verdictOn(signed, by);
  if (verified.kind === 'refused') throw refused(verified.reason);
  return { signed, statement: verified.statement };
};

type Verdict =
  | ({ readonly kind: 'verified' | 'unverified' } & Pick<StatementEntry, 'statement'>)
  | { readonly kind: 'refused'; readonly reason: string };

const verdictOn = (
  signed: SignedStatement,
  { fleet, adminKeys }: { readonly fleet: string; readonly adminKeys: AdminKeys },
): Verdict => {
  if (adminKeys.list().length > 0) return verifyStatement(signed, { keys: adminKeys, fleet });
  const parsed = parseStatement(signed.statement);
  if (parsed.kind === 'fault') return { kind: 'refused', reason: parsed.fault };
  const { statement } = parsed;
  if (statement.fleet === fleet) return { kind: 'unverified', statement };
  return { kind: 'refused', reason: `it is a statement of the fleet ${statement.fleet}` };
};

const refused = (reason: string): DepotError =>
  new DepotError('STATEMENT_REFUSED', `the statement is not recorded: ${reason}`);

const isSame = (a: SignedStatement, b: SignedStatement): boolean =>
  a.statement === b.statement && a.signature === b.signature && a.key === b.key;

type Judged = {
  readonly record: StatementRecord;
  readonly statement: Statement;
  readonly verdict: Verdict;
};

/** In their order, without those whose text cannot be read. */
const viewsOf = (
  records: readonly StatementRecord[],
  deps: Pick<Deps, 'fleet' | 'adminKeys'>,
): StatementView[] => {
  const judged = records.flatMap(record => judge(record, deps));
  const counting = mergeStatements(
    judged.flatMap(
      ({ record: { signed }, statement, verdict }) =>
        verdict.kind === 'refused' ? [] : [{ signed, statement }], // STA2
    ),
  );
  const texts = new Set(counting.map(({ signed }) => signed.statement));
  return judged.map(each => viewOf(each, texts));
};

const judge = (
  record: StatementRecord,
  { fleet = '', adminKeys }: Pick<Deps, 'fleet' | 'adminKeys'>,
): readonly Judged[] => {
  const verdict = verdictOn(record.signed, { fleet, adminKeys });
  if (verdict.kind !== 'refused') return [{ record, statement: verdict.statement, verdict }];
  return entriesOf([record.signed]).map(({ statement }) => ({ record, statement, verdict }));
};

const viewOf = (
  { record: { signed, timeRecordedMs }, statement, verdict }: Judged,
  counting: ReadonlySet<string>,
): StatementView => ({
  ...{ statement: signed.statement, signature: signed.signature, key: signed.key },
  ...{ id: statement.id, kind: statement.kind, subject: subjectOf(statement), time: statement.time },
  time_recorded: isoTime(timeRecordedMs),
  state: verdict.kind,
  counts: verdict.kind !== 'refused' && counting.has(signed.statement),
  ...(verdict.kind === 'refused' && { message: verdict.reason }),
});
