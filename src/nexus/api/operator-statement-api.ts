/**
 * Handlers of the operator's API for statements.
 *
 * STA1. Only what can count is recorded: a statement of this fleet, and where this Nexus has the admin key, one that it verifies.
 */
import type { operatorStatementApi, StatementView } from '../../api/operator-statement-api.ts';
import {
  mergeStatements,
  parseStatement,
  type SignedStatement,
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
  /** Undefined without an identity: such a fleet has no name. */
  readonly fleet?: string | undefined;
  readonly adminKeys: AdminKeys;
  /** Tells the sleds at once. */
  readonly announceStatements: () => void;
};

export const createOperatorStatementApi = (deps: Deps): Handlers<typeof operatorStatementApi> => ({
  async statementList({ signal }) {
    const records = await deps.datastore.statementList({ signal });
    const counting = countingIn(records);
    return {
      items: records.flatMap(record => viewOf(record, counting, deps)),
      ...(deps.fleet !== undefined && { fleet: deps.fleet }),
      admin_keys: deps.adminKeys.list().map(({ digest }) => digest),
    };
  },

  async statementCreate({ body, signal, log, ...request }) {
    const entry = requireStatement(body, deps);
    const record = await deps.datastore.statementInsert(entry, { signal, audit: deps.originOf(request) });
    deps.announceStatements();
    const { kind, id } = entry.statement;
    log.info({ statement_id: id, kind, admin_key: body.key }, 'statement of an admin key recorded');
    const [view] = viewOf(record, countingIn(await deps.datastore.statementList({ signal })), deps);
    if (view === undefined) throw new Error('a statement that was recorded can be read');
    return view;
  },
});

/** STA1 */
const requireStatement = (
  signed: SignedStatement,
  { fleet, adminKeys }: Pick<Deps, 'fleet' | 'adminKeys'>,
): StatementEntry => {
  if (fleet === undefined) throw refused('this Nexus has no identity, and a statement names a fleet');
  const verified = verdictOn(signed, { fleet, adminKeys });
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

const countingIn = (records: readonly StatementRecord[]): ReadonlySet<string> =>
  new Set(
    mergeStatements(
      records.flatMap(({ signed }) => {
        const parsed = parseStatement(signed.statement);
        return parsed.kind === 'statement' ? [{ signed, statement: parsed.statement }] : [];
      }),
    ).map(({ signed }) => signed.statement),
  );

const viewOf = (
  { signed, timeRecordedMs }: StatementRecord,
  counting: ReadonlySet<string>,
  { fleet, adminKeys }: Pick<Deps, 'fleet' | 'adminKeys'>,
): readonly StatementView[] => {
  const parsed = parseStatement(signed.statement);
  if (parsed.kind === 'fault') return [];
  const { statement } = parsed;
  const verdict = verdictOn(signed, { fleet: fleet ?? '', adminKeys });
  return [
    {
      ...{ statement: signed.statement, signature: signed.signature, key: signed.key },
      ...{ id: statement.id, kind: statement.kind, subject: subjectOf(statement), time: statement.time },
      time_recorded: isoTime(timeRecordedMs),
      state: verdict.kind,
      counts: verdict.kind !== 'refused' && counting.has(signed.statement),
      ...(verdict.kind === 'refused' && { message: verdict.reason }),
    },
  ];
};
