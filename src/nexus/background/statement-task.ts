/**
 * Statements: what admin keys signed is told to every sled in service, which verifies it for itself.
 *
 *     database ─▶ verified, where this Nexus has the admin key ─▶ its file ─▶ each sled that was not told all of it
 *
 * STT1. What this Nexus remembers is told, not only what the database says: a restored database takes no decision back.
 * STT2. A sled that does not answer is told in a later period, and each one again after ten minutes. One that refuses a statement
 *      is named, and does not keep it from the others.
 * STT3. A Nexus without the admin key tells what the database has; nothing depends on its judgement.
 */
import type { SledId } from '../../core/ids.ts';
import { entriesOf, MAX_STATEMENTS, mergeStatements, type SignedStatement } from '../../core/statement.ts';
import type { Statements } from '../../identity/statements.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, StatementRefusal } from '../../sled-client/sled-connection.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { StatementPort } from '../datastore/ports/statement-port.ts';
import { inServiceTargets } from '../sleds/in-service.ts';
import type { BackgroundTask } from './task.ts';
import { createToldSleds, tellSleds } from './tell-sleds.ts';

export const STATEMENT_TASK = 'admin_statements';
const PERIOD_MS = 60_000;
const TOLD_AGAIN_MS = 10 * PERIOD_MS;
/** Of a summary. */
const MAX_NAMED = 20;

type Deps = {
  readonly datastore: Pick<StatementPort, 'statementList'> & Pick<SledPort, 'sledList'>;
  readonly connection: Pick<SledConnection, 'scheme' | 'tellStatements'>;
  readonly statements: Pick<Statements, 'list' | 'add' | 'areRequired'>;
  readonly clock: Clock;
};

type Told = {
  /** The texts of all that it was told. */
  readonly texts: ReadonlySet<string>;
  readonly refused: readonly StatementRefusal[];
  readonly isOlder: boolean;
};

export const statementTask = (deps: Deps): BackgroundTask => {
  const { connection, clock } = deps;
  const told = createToldSleds<Told>(clock, TOLD_AGAIN_MS);
  return {
    name: STATEMENT_TASK,
    description: 'tell the sleds what admin keys have signed',
    periodMs: PERIOD_MS,
    async activate({ log, signal }) {
      const list = await learnStatements(deps, { log, signal });
      const texts = new Set(list.map(({ statement }) => statement));
      const sleds = await inServiceTargets(deps, signal);
      const untold = told.untold(sleds, last => texts.isSubsetOf(last.texts));
      const waiting = await tellSleds(
        {
          each: list.length === 0 ? [] : untold,
          sledOf: sled => sled,
          tell: (sled, wait) => tellOne(connection, sled, list, wait),
          onTold: (id, { refused, isOlder }) => told.note(id, { texts, refused, isOlder }),
          refusal: 'a sled does not take the statements of admin keys',
          level: 'warn',
          clock,
        },
        { log, signal },
      );
      return { summary: { statements: list.length, waiting, ...namedIn(told.all()) } };
    },
  };
};

type Outcome = Omit<Told, 'texts'>;

const tellOne = async (
  connection: Deps['connection'],
  sled: Parameters<SledConnection['tellStatements']>[0],
  list: readonly SignedStatement[],
  wait: { readonly signal: AbortSignal },
): Promise<Outcome> => {
  try {
    return { refused: await connection.tellStatements(sled, list, wait), isOlder: false };
  } catch (error) {
    if (errorCodeOf(error) === 'NOT_FOUND') return { refused: [], isOlder: true };
    throw error;
  }
};

const namedIn = (told: Iterable<readonly [SledId, Told]>) => {
  const all = [...told];
  const refused = all.flatMap(([id, last]) =>
    last.refused.map(({ statementSha256, reason }) => `${id}: ${statementSha256}: ${reason}`),
  );
  return {
    refused: refused.slice(0, MAX_NAMED),
    of_an_older_version: all.flatMap(([id, { isOlder }]) => (isOlder ? [id] : [])).slice(0, MAX_NAMED),
  };
};

/** What counts, of the database and of the file of this Nexus (STT1). @throws DepotError of the database alone */
const learnStatements = async (
  { datastore, statements }: Pick<Deps, 'statements'> & { datastore: Pick<StatementPort, 'statementList'> },
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<readonly SignedStatement[]> => {
  const recorded = (await datastore.statementList({ signal })).map(({ signed }) => signed);
  if (!statements.areRequired()) return countingOf(recorded);
  try {
    for (const { signed, reason } of await statements.add(recorded))
      log.warn({ key: signed.key, reason }, 'a recorded statement does not count');
  } catch (err) {
    log.error({ err }, 'not every statement is in the file of this Nexus');
  }
  return statements.list();
};

/** STT3 */
const countingOf = (recorded: readonly SignedStatement[]): readonly SignedStatement[] =>
  mergeStatements(entriesOf(recorded))
    .toSorted((a, b) => (a.statement.time < b.statement.time ? 1 : -1))
    .slice(0, MAX_STATEMENTS)
    .map(({ signed }) => signed);
