/** What no dataset of a sled took is refused with the reason of each dataset, in words and numbers. */
import { isFull } from '../../../lib/disk-errors.ts';
import { DepotError, messageChain } from '../../../lib/errors.ts';
import type { Dataset } from './dataset.ts';

/** A dataset that was tried and failed. */
export type Refusal = { readonly dataset: Dataset; readonly error: unknown };

/**
 * @param what cannot be stored, for people
 * @param datasets all of the sled; those that were not tried, as they take no writes, are named too
 * @returns `NO_SPACE` if every dataset that was tried is full, otherwise `NO_USABLE_DATASET`
 */
export const refusedByAll = (
  what: string,
  refusals: readonly Refusal[],
  datasets: readonly Dataset[],
): DepotError => {
  const tried = new Set(refusals.map(({ dataset }) => dataset));
  const untried = datasets.filter(each => !tried.has(each) && !each.isWritable());
  const reasons = [...refusals.map(reasonOf), ...untried.map(conditionOf)].join('; ');
  const why = reasons === '' ? '' : `: ${reasons}`;
  if (refusals.length > 0 && refusals.every(({ error }) => isFull(error)))
    return new DepotError('NO_SPACE', `no dataset has space for ${what}${why}`);
  return new DepotError('NO_USABLE_DATASET', `no dataset of this sled can take ${what}${why}`);
};

const reasonOf = ({ dataset, error }: Refusal): string =>
  isFull(error) ? messageChain(error) : `dataset ${dataset.path} cannot be written: ${messageChain(error)}`;

const conditionOf = (dataset: Dataset): string => {
  const condition = dataset.condition();
  if (condition.kind === 'ok') return `dataset ${dataset.path} is not open`;
  return `dataset ${dataset.path} is ${condition.kind.replace('_', '-')}: ${condition.message}`;
};
