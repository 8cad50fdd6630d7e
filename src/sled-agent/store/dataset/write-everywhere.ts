/** A small file of a sled onto every dataset that takes writes. */
import type { Dataset } from './dataset.ts';
import { type Refusal, refusedByAll } from './refused-by-all.ts';

type What = {
  /** For people, as in "its leases". */
  readonly what: string;
  readonly write: (dataset: Dataset) => Promise<void>;
};

/** One dataset is enough, as for the ledger. @throws `NO_SPACE`, `NO_USABLE_DATASET` when none took it */
export const writeEverywhere = async (datasets: readonly Dataset[], { what, write }: What): Promise<void> => {
  const targets = datasets.filter(each => each.isWritable());
  const refusals: Refusal[] = [];
  await Promise.all(
    targets.map(async target => {
      try {
        await target.requirePresent(); // DS3
        await write(target);
      } catch (error) {
        refusals.push({ dataset: target, error });
        target.reportFailure(error, `write ${what}`);
      }
    }),
  );
  if (refusals.length < targets.length) return;
  throw refusedByAll(what, refusals, datasets);
};
