/**
 * Signs a statement with the admin key that a command finds, and sends it to Nexus, which tells the sleds.
 *
 * CST1. The fleet in the statement is the one that the server has proven by its certificate; its word counts only without TLS.
 * CST2. The time is later than that of every recorded statement about the same: a slow clock does not make a decision count less.
 */
import { randomUUID } from 'node:crypto';
import type { StatementList, StatementView } from '../../api/operator-statement-api.ts';
import { type Statement, type StatementContent, subjectOf } from '../../core/statement.ts';
import { type AdminKey, signStatement } from '../../identity/admin-key.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { Session } from '../session/session.ts';
import { type AdminKeyOptions, findAdminKey } from './admin-key-file.ts';
import type { Depot } from './depot-client.ts';

export type Signer = {
  readonly key: AdminKey;
  readonly fleet: string;
  readonly known: StatementList;
};

type Found = {
  /** Undefined from a Nexus of a version without statements. */
  readonly known: StatementList | undefined;
  readonly signer: Signer | undefined;
};

/** @throws DepotError `CONFIG_INVALID` without a key, with what to do */
export const requireSigner = async (
  session: Session,
  options: AdminKeyOptions,
  depot: Depot,
): Promise<Signer> => {
  const { signer } = await findSigner(session, options, depot);
  if (signer !== undefined) return signer;
  throw noKey('a statement needs the signature of an admin key, and none was found');
};

/** Undefined where neither this fleet nor the caller has an admin key. @throws as {@link requireSigner} where the fleet has one */
export const signerIfNeeded = async (
  session: Session,
  options: AdminKeyOptions,
  depot: Depot,
): Promise<Signer | undefined> => {
  const { known, signer } = await findSigner(session, options, depot);
  if (signer !== undefined || !hasAdminKey(known)) return signer;
  throw noKey(
    `the sleds of this fleet believe this only if the admin key ${known.admin_keys.join(' or ')} has signed it, and no such key was found`,
  );
};

const noKey = (message: string): DepotError =>
  new DepotError('CONFIG_INVALID', message, {
    detail: {
      remedy:
        'name its file with --admin-key or TUF_DEPOT_ADMIN_KEY; tuf-depot identity init makes one for a new fleet',
    },
  });

export const findSigner = async (
  session: Session,
  options: AdminKeyOptions,
  depot: Depot,
): Promise<Found> => {
  const known = await listStatements(depot);
  const fleet = depot.provenFleet ?? known?.fleet; // CST1
  if (known === undefined || fleet === undefined) return { known, signer: undefined };
  const key = await findAdminKey(options, session, { fleet, known: known.admin_keys });
  return { known, signer: key && { key, fleet, known } };
};

/** Whether the fleet believes an admin key, and no word of a Nexus. */
export const hasAdminKey = (known: StatementList | undefined): known is StatementList =>
  known !== undefined && known.admin_keys.length > 0;

/** Undefined from a Nexus of a version without statements. */
export const listStatements = (depot: Depot): Promise<StatementList | undefined> =>
  depot.statements.statementList().catch((error: unknown) => {
    if (errorCodeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  });

export const sendStatement = async (
  depot: Depot,
  { key, fleet, known }: Signer,
  content: StatementContent,
  nowMs: number,
): Promise<StatementView> => {
  const subject = subjectOf(content);
  const before = known.items.filter(each => each.subject === subject).map(({ time }) => Date.parse(time));
  const time = isoTime(Math.max(nowMs, ...before.map(ms => ms + 1))); // CST2
  const statement: Statement = { ...content, fleet, id: randomUUID(), time };
  return await depot.statements.statementCreate({ body: signStatement(statement, key) });
};
