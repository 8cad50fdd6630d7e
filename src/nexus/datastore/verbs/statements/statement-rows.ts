import type { Selectable } from 'kysely';
import type { StatementRecord } from '../../ports/statement-port.ts';
import type { Tables } from '../../tables.ts';

export const toStatementRecord = ({
  statement,
  signature,
  key_sha256: key,
  time_recorded: timeRecordedMs,
}: Selectable<Tables['admin_statement']>): StatementRecord => ({
  signed: { statement, signature, key },
  timeRecordedMs,
});
