/** Sizes as options have them: 4GiB, 500MiB, 2147483648. */
import { usageError } from '../output/failure.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** In bytes. @throws `USAGE` for anything else */
export const parseSize = (text: string | undefined, option: string): number | undefined => {
  if (text === undefined) return undefined;
  const [, amount, unit = ''] = /^([1-9]\d{0,14}) ?(|[KMGT]iB)$/.exec(text) ?? [];
  const sizeBytes = Number(amount) * (UNITS[unit] ?? Number.NaN);
  if (Number.isSafeInteger(sizeBytes)) return sizeBytes;
  throw usageError(
    `${option} ${text} is not a size`,
    `a number of bytes, or one with a unit: ${option} 4GiB`,
  );
};
