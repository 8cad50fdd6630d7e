/**
 * The statements that a process remembers, in a file beside its certificate.
 *
 *     from a Nexus ─▶ verified by an admin key that is pinned here ─▶ merged ─▶ statements.json ─▶ answered
 *                                                                     └─▶ has(): what a person decided
 *
 * SMB1. Nothing is kept that no pinned admin key has signed for this fleet, and nothing counts whose key is not pinned.
 * SMB2. A statement is durable before the answer, and counts before: one that cannot be written is sent again.
 * SMB3. The file only grows, but for what another statement outweighs, or is over in a full list (SM4). One that a missing key
 *       has signed stays in the file and does not count.
 */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { Sha256Hex } from '../core/ids.ts';
import {
  addStatements,
  MAX_SIGNATURE_CHARS,
  MAX_STATEMENT_CHARS,
  MAX_STATEMENTS,
  mergeStatements,
  type SignedStatement,
  type Statement,
  type StatementEntry,
  type StatementKind,
  type StatementOf,
} from '../core/statement.ts';
import { readFileWhole, writeFileDurably } from '../lib/durable-file.ts';
import { DepotError } from '../lib/errors.ts';
import { realDisk } from '../lib/real-disk.ts';
import { type AdminKeys, verifyStatement } from './admin-key.ts';
import type { PeerIdentity } from './peer-identity.ts';
import { createListeners, createSaver } from './remembered.ts';

type RefusedStatement = { readonly signed: SignedStatement; readonly reason: string };

export type Statements = {
  /** Those that count, in a fixed order. */
  readonly list: () => readonly SignedStatement[];
  /** Whether an admin key is pinned: then a statement has to say what otherwise the word of a Nexus decides. */
  readonly areRequired: () => boolean;
  /** The first that counts and matches. */
  readonly find: <K extends StatementKind>(
    kind: K,
    matches: (statement: StatementOf<K>) => boolean,
  ) => StatementOf<K> | undefined;
  readonly has: <K extends StatementKind>(
    kind: K,
    matches: (statement: StatementOf<K>) => boolean,
  ) => boolean;
  /**
   * @param isOver whether a statement can have no effect here any more
   * @returns those that were refused, and why; the others count
   * @throws DepotError `NO_SPACE`, `IO` (SMB2)
   */
  readonly add: (
    statements: readonly SignedStatement[],
    isOver?: (statement: Statement) => boolean,
  ) => Promise<readonly RefusedStatement[]>;
  /** Until it is disposed, `listener` is called after each change. */
  readonly onChange: (listener: () => void) => Disposable;
};

/** Of a process without an identity: it is of no fleet, and pins no admin key. */
export const NO_STATEMENTS: Statements = {
  list: () => [],
  areRequired: () => false,
  find: () => undefined,
  has: () => false,
  add: async statements =>
    statements.map(signed => ({ signed, reason: 'this process has no identity, and pins no admin key' })),
  onChange: () => ({ [Symbol.dispose]: () => undefined }),
};

type Options = {
  readonly known: readonly SignedStatement[];
  readonly keys: AdminKeys;
  readonly fleet: string;
  readonly save: (statements: readonly SignedStatement[]) => Promise<void>;
};

export const createStatements = ({ known, keys, fleet, save }: Options): Statements => {
  const verified = known.map(signed => verifyStatement(signed, { keys, fleet }));
  const aside = known.filter((_, at) => verified[at]?.kind === 'refused'); // SMB3
  let current = mergeStatements(verified.flatMap(each => (each.kind === 'verified' ? [each] : [])));
  const { onChange, tell } = createListeners();
  const saveAll = createSaver(
    () => current,
    entries => save([...entries.map(({ signed }) => signed), ...aside].slice(0, MAX_FILE_STATEMENTS)),
  );
  const counting = (): readonly StatementEntry[] => {
    const pinned = new Set(keys.list().map(({ digest }) => digest));
    return current.filter(({ signed }) => pinned.has(signed.key)); // SMB1
  };
  const find: Statements['find'] = <K extends StatementKind>(
    kind: K,
    matches: (statement: StatementOf<K>) => boolean,
  ) => {
    const isKind = (statement: Statement): statement is StatementOf<K> => statement.kind === kind;
    for (const { statement } of counting()) if (isKind(statement) && matches(statement)) return statement;
    return undefined;
  };

  return {
    list: () => counting().map(({ signed }) => signed),
    areRequired: () => keys.list().length > 0,
    find,
    has: (kind, matches) => find(kind, matches) !== undefined,
    async add(statements, isOver = () => false) {
      const refused: RefusedStatement[] = [];
      const taken: StatementEntry[] = [];
      const texts = new Set(current.map(({ signed }) => identityOf(signed)));
      for (const signed of statements) {
        if (texts.has(identityOf(signed))) continue;
        const result = verifyStatement(signed, { keys, fleet });
        if (result.kind === 'verified') taken.push(result);
        else refused.push({ signed, reason: result.reason });
      }
      const added = addStatements(current, taken, isOver);
      for (const { signed } of added.refused) refused.push({ signed, reason: FULL });
      if (!isSameList(added.list, current)) {
        current = added.list;
        tell();
      }
      await saveAll();
      return refused;
    },
    onChange,
  };
};

/** Until when the revocations of an identity do not count (RVK6). */
export const restoredMs = (
  statements: Pick<Statements, 'find'>,
  { kind, id }: Pick<PeerIdentity, 'kind' | 'id'>,
): number | undefined => {
  const found = statements.find(
    'restore_identity',
    ({ identity }) => identity.kind === kind && identity.id === id,
  );
  return found && Date.parse(found.time);
};

/** With those of missing keys. */
const MAX_FILE_STATEMENTS = 2 * MAX_STATEMENTS;
const FULL = `the list is full: ${MAX_STATEMENTS} statements count here, which is the limit`;

const identityOf = ({ statement, signature, key }: SignedStatement): string =>
  `${key} ${signature} ${statement}`;

const isSameList = (a: readonly StatementEntry[], b: readonly StatementEntry[]): boolean =>
  a.length === b.length &&
  a.every(({ signed }, at) => identityOf(signed) === identityOf(b[at]?.signed ?? NO_STATEMENT));
const NO_STATEMENT: SignedStatement = { statement: '', signature: '', key: '' };

const StatementsFile = z.strictObject({
  statements: z
    .array(
      z.strictObject({
        statement: z.string().max(MAX_STATEMENT_CHARS),
        signature: z.string().max(MAX_SIGNATURE_CHARS),
        key: Sha256Hex,
      }),
    )
    .max(MAX_FILE_STATEMENTS),
});
const MAX_FILE_BYTES = MAX_FILE_STATEMENTS * (MAX_STATEMENT_CHARS + 1_024) * 2;

/** @throws DepotError `CONFIG_INVALID` for a file that cannot be read */
export const openStatements = async (
  certificateFile: string,
  { keys, fleet }: Pick<Options, 'keys' | 'fleet'>,
): Promise<Statements> => {
  const file = join(dirname(certificateFile), 'statements.json');
  return createStatements({
    known: await readStatements(file),
    ...{ keys, fleet },
    save: statements => writeFileDurably(file, `${JSON.stringify({ statements }, null, 1)}\n`),
  });
};

const readStatements = async (file: string): Promise<readonly SignedStatement[]> => {
  try {
    const text = await readFileWhole(file, { disk: realDisk, maxBytes: MAX_FILE_BYTES });
    return text === undefined ? [] : StatementsFile.parse(JSON.parse(text)).statements;
  } catch (cause) {
    throw new DepotError(
      'CONFIG_INVALID',
      `identity: ${file} is not a list of statements; move it away: a Nexus sends them again within ten minutes, and until then none counts here`,
      { cause },
    );
  }
};
