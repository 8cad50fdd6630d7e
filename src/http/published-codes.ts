/**
 * The `error_code` of an answer in the vocabulary of the published APIs, for clients that were written for them
 * (docs/adr/0016). Ours is beside it, in `depot_code`.
 *
 * PUC1. A word stands for a status: which of our codes it is, `depot_code` says. A status without a word, and a code that is
 *       published itself, keep ours.
 * PUC2. A request between processes that names no version of its API is one of an earlier tuf-depot, which reads ours in
 *       `error_code`.
 * PUC3. An error without a code that this program knows, from the original or from a later version, has ours by its status, where one of
 *       ours says no more than the word does. So nobody's refusal looks like a faulty answer.
 */
import type { IncomingMessage } from 'node:http';
import { API_VERSION_HEADER } from '../api/versions.ts';
import { type ErrorCode, errorCodes } from '../lib/error-codes.ts';

const WORDS: Readonly<Record<number, string>> = {
  400: 'InvalidRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'ObjectNotFound',
  409: 'Conflict',
  503: 'ServiceNotAvailable',
  507: 'InsufficientCapacity',
};

/** Codes of ours that the published APIs have. */
const PUBLISHED: ReadonlySet<ErrorCode> = new Set(['CONFIG_GENERATION']);

/** PUC1. */
export const publishedCode = (code: ErrorCode): string =>
  (PUBLISHED.has(code) ? undefined : WORDS[errorCodes[code].status]) ?? code;

/** PUC3: undefined where no code of ours says just that. */
export const codeByStatus = (status: number): ErrorCode | undefined => BY_STATUS[status];

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
};

/** PUC2. */
export const readsPublishedCodes = (request: IncomingMessage, servesOperators: boolean): boolean =>
  servesOperators || request.headers[API_VERSION_HEADER] !== undefined;
