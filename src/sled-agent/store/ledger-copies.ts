/** The ledger on all datasets together: written everywhere, repaired where it is damaged or behind. */
import type { DatasetId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Dataset } from './dataset.ts';
import { encodeLedger, LEDGER_FILE, type Ledger } from './ledger.ts';

export const presentIds = (datasets: readonly Dataset[]): DatasetId[] =>
  datasets.flatMap(each => (each.isReadable() ? each.id()! : []));

/**
 * Writes the ledger to every dataset that takes writes. One is enough (ST5): the others are reported as failed.
 *
 * @throws `NO_USABLE_DATASET` when none took it
 */
export const writeLedgers = async (datasets: readonly Dataset[], ledger: Ledger): Promise<void> => {
  const targets = datasets.filter(each => each.isWritable());
  const errors: unknown[] = [];
  await Promise.all(
    targets.map(target =>
      target.writeLedger(ledger).catch((error: unknown) => {
        errors.push(error);
        target.reportFailure(error, 'write its ledger');
      }),
    ),
  );
  if (errors.length < targets.length) return;
  throw new DepotError('NO_USABLE_DATASET', `no dataset took the config (${targets.length} tried)`, {
    cause: errors[0],
  });
};

export const repairLedgers = async (
  datasets: readonly Dataset[],
  ledger: Ledger,
  log: Logger,
): Promise<void> => {
  for (const dataset of datasets) {
    if (!dataset.isWritable()) continue;
    try {
      const read = await dataset.readLedger();
      if (read.kind === 'whole' && encodeLedger(read.ledger) === encodeLedger(ledger)) continue;
      if (read.kind === 'damaged') {
        log.error({ dataset: dataset.path, reason: read.reason }, 'ledger is damaged; it is written again');
        await dataset.setAside(LEDGER_FILE, read.reason);
      }
      await dataset.writeLedger(ledger);
    } catch (error) {
      dataset.reportFailure(error, 'repair its ledger');
    }
  }
};
