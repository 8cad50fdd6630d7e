/**
 * The admin key of a simulated fleet, and what a person has signed with it.
 *
 * SAK1. The key is the same in every run, and Ed25519 signs alike each time: a replay has the same statements.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { SignedStatement, Statement, StatementContent } from '../../src/core/statement.ts';
import { type AdminKey, type PinnedKey, pinnedKey, signStatement } from '../../src/identity/admin-key.ts';
import { FLEET } from './passport.ts';

export type Admin = {
  /** What machines pin when they join: nothing in a fleet without an admin key. */
  readonly pinned: readonly PinnedKey[];
  readonly sign: (content: StatementContent) => SignedStatement;
  /** What a person has signed with the same key for a fleet of their own that is not this one: it decides nothing here. */
  readonly signElsewhere: (content: StatementContent) => SignedStatement;
  /** All that a person has signed for this fleet, for checkers, which do not ask the sleds. */
  readonly said: () => readonly Statement[];
};

type Deps = { readonly hasKey: boolean; readonly newId: () => string; readonly timeMs: () => number };

export const createAdmin = ({ hasKey, newId, timeMs }: Deps): Admin => {
  const said: Statement[] = [];
  const statementOf = (content: StatementContent, fleet: string): Statement => ({
    ...content,
    ...{ fleet, id: newId(), time: new Date(timeMs()).toISOString() },
  });
  return {
    pinned: hasKey ? [ADMIN_KEY] : [],
    said: () => said,
    sign(content) {
      const statement = statementOf(content, FLEET);
      said.push(statement);
      return signStatement(statement, ADMIN_KEY);
    },
    signElsewhere: content => signStatement(statementOf(content, `${FLEET}-2`), ADMIN_KEY),
  };
};

/** An Ed25519 key of 32 equal bytes: not secret. */
const keyOf = (byte: number): AdminKey => {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const privateKey = createPrivateKey({
    key: Buffer.concat([prefix, Buffer.alloc(32, byte)]),
    format: 'der',
    type: 'pkcs8',
  });
  return { ...pinnedKey(createPublicKey(privateKey)), privateKey };
};

const ADMIN_KEY = keyOf(3);
/** Of somebody whom no machine believes. */
export const FALSE_ADMIN_KEY = keyOf(4);
