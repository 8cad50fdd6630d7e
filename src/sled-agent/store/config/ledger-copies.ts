/**
 * The ledger on all datasets together: written everywhere, repaired where it is damaged or stale.
 *
 * LC1. Before a new dataset gets a ledger, that ledger is durable on a dataset that earlier ledgers name. So each ledger leads,
 *      from name to name, to every dataset with one, and a sled started without the newest ledger can tell that a named
 *      dataset is missing (G6, P5).
 */
import type { DatasetId, Point } from '../../../core/ids.ts';
import { samePoint } from '../../../core/lineage.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Dataset } from '../dataset/dataset.ts';
import { type Refusal, refusedByAll } from '../dataset/refused-by-all.ts';
import type { KeptConfigs } from '../files/kept-configs.ts';
import { encodeLedger, LEDGER_FILE, type Ledger } from '../files/ledger.ts';
import { pointOf } from '../point.ts';
import type { Hold } from '../store.ts';

export const presentIds = (datasets: readonly Dataset[]): DatasetId[] =>
  datasets.flatMap(each => (each.isReadable() ? (each.id() ?? []) : []));

/** LC1: the datasets to write first. If no ledger names any yet, all of them. */
const inTurn = (datasets: readonly Dataset[], { datasets: members }: Ledger): [Dataset[], Dataset[]] => {
  const writable = datasets.filter(each => each.isWritable());
  const isMember = (each: Dataset): boolean => members.length === 0 || members.some(id => id === each.id());
  return [writable.filter(isMember), writable.filter(each => !isMember(each))];
};

/**
 * Writes the ledger to every dataset that takes writes. One is enough (ST5), of those that `before` names: the others
 * are reported as failed.
 *
 * @throws `NO_SPACE`, `NO_USABLE_DATASET` when none took it
 */
export const writeLedgers = async (
  datasets: readonly Dataset[],
  before: Ledger,
  ledger: Ledger,
  kept: KeptConfigs,
): Promise<void> => {
  const [first, newcomers] = inTurn(datasets, before);
  const refusals = await writeTo(first, ledger, kept);
  if (refusals.length < first.length) {
    await writeTo(newcomers, ledger, kept);
    return;
  }
  throw refusedByAll('its config', refusals, datasets);
};

/**
 * Adds a hold to each ledger of this point, without other changes. One is enough: a hold in one ledger counts (KN7).
 *
 * @throws `NO_SPACE`, `NO_USABLE_DATASET` when none took it
 */
export const holdLedgers = async (datasets: readonly Dataset[], point: Point, hold: Hold): Promise<void> => {
  const refusals: Refusal[] = [];
  let isHeld = false;
  for (const dataset of datasets.filter(each => each.isWritable())) {
    try {
      const read = await dataset.readLedger();
      if (read.kind !== 'whole' || !isAt(read.ledger, point)) continue;
      const isAsKnown = read.ledger.hold !== undefined && (read.ledger.hold.isUnknown || !hold.isUnknown);
      if (!isAsKnown) await dataset.writeLedger({ ...read.ledger, hold }, new Map());
      isHeld = true;
    } catch (error) {
      refusals.push({ dataset, error });
      dataset.reportFailure(error, 'write its ledger');
    }
  }
  if (isHeld) return;
  throw refusedByAll('the hold of its deletions', refusals, datasets);
};

const isAt = ({ config }: Ledger, point: Point): boolean =>
  config !== undefined && samePoint(pointOf(config), point);

const writeTo = async (
  targets: readonly Dataset[],
  ledger: Ledger,
  kept: KeptConfigs,
): Promise<Refusal[]> => {
  const refusals: Refusal[] = [];
  await Promise.all(
    targets.map(target =>
      target.writeLedger(ledger, kept).catch((error: unknown) => {
        refusals.push({ dataset: target, error });
        target.reportFailure(error, 'write its ledger');
      }),
    ),
  );
  return refusals;
};

/** Returns false when no dataset that `before` names has the ledger; then no other one got it either. */
export const repairLedgers = async (
  datasets: readonly Dataset[],
  before: Ledger,
  { ledger, kept }: { readonly ledger: Ledger; readonly kept: KeptConfigs },
  log: Logger,
): Promise<boolean> => {
  const [first, newcomers] = inTurn(datasets, before);
  let isNamed = false;
  for (const dataset of first) if (await repairOne(dataset, ledger, kept, log)) isNamed = true;
  if (!isNamed) return false;
  for (const dataset of newcomers) await repairOne(dataset, ledger, kept, log);
  return true;
};

/** Returns whether it has the ledger now. */
const repairOne = async (
  dataset: Dataset,
  ledger: Ledger,
  kept: KeptConfigs,
  log: Logger,
): Promise<boolean> => {
  try {
    const read = await dataset.readLedger();
    const isRight = read.kind === 'whole' && encodeLedger(read.ledger) === encodeLedger(ledger);
    if (isRight && kept.size === 0) return true;
    if (read.kind === 'damaged') {
      log.error({ dataset: dataset.path, reason: read.reason }, 'ledger is damaged and is rewritten');
      await dataset.setAside(LEDGER_FILE, read.reason);
    }
    if (isRight) await dataset.writeKept(kept);
    else await dataset.writeLedger(ledger, kept);
    return true;
  } catch (error) {
    dataset.reportFailure(error, 'repair its ledger');
    return false;
  }
};
