/** The three ways in which an archive is refused. */
import { DepotError, type ErrorDetail } from '../lib/errors.ts';

/** The structure is not that of a plain, unambiguous ZIP archive. */
export const invalid = (message: string, detail?: ErrorDetail): DepotError =>
  new DepotError('ARCHIVE_INVALID', message, detail === undefined ? {} : { detail });

/** The structure is sound, but the bytes of an entry do not match its headers. */
export const damaged = (
  message: string,
  options: { detail?: ErrorDetail; cause?: unknown } = {},
): DepotError => new DepotError('ARCHIVE_DAMAGED', message, options);

/** What to do with one part of a split archive. */
export const JOIN_PARTS =
  'a split archive is not read; join its parts first, with Info-ZIP: zip -s 0 SPLIT.zip --out WHOLE.zip';

export const overLimit = (what: string, actual: number, limit: number): DepotError =>
  new DepotError('ARCHIVE_LIMIT', `${what} is ${actual}, the limit is ${limit}`, {
    detail: { actual, limit },
  });
