/** Numbers of things on the command line. */
import { usageError } from '../output/failure.ts';

/** @throws `USAGE` for anything but a whole number from 1 to `most` */
export const parseAmount = (text: string | undefined, option: string, most: number): number | undefined => {
  if (text === undefined) return undefined;
  const amount = Number(text);
  if (text.trim() !== '' && Number.isInteger(amount) && amount >= 1 && amount <= most) return amount;
  throw usageError(`${option} ${text} is not a number from 1 to ${most}`);
};
