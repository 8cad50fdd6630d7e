import { databaseNow } from '../../database-time.ts';
import { isForgotten } from '../../decisions/operator-token.ts';
import { collect, readInBatches } from '../../paging.ts';
import type { OperatorTokenPort } from '../../ports/operator-token-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readTokens, toTokenRecord } from './operator-token-rows.ts';

export const operatorTokenList =
  (transactions: Transactions): OperatorTokenPort['operatorTokenList'] =>
  wait =>
    transactions.read(
      'operator_token_list',
      async db => {
        const { now: databaseMs } = await db.selectNoFrom(databaseNow.as('now')).executeTakeFirstOrThrow();
        const rows = await collect(readInBatches(readTokens(db), ({ id }) => id));
        const tokens = rows
          .map(toTokenRecord)
          .filter(token => !isForgotten(token, databaseMs))
          .sort((a, b) => b.timeCreatedMs - a.timeCreatedMs || (a.id < b.id ? -1 : 1));
        return { databaseMs, tokens };
      },
      wait,
    );
