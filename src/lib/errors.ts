import { MAX_REPORTED_CHECKS, type ReportedCheck } from './check-report.ts';
import { type ErrorCode, errorCodes, type RetryAdvice } from './error-codes.ts';

/** Facts of an error for programs, beside the message for people. Values are small and printable. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean | null>>;

/**
 * The one error class. `message` says only what this layer knows; the layers below are in `cause`, and
 * {@link messageChain} joins them for a person.
 */
export class DepotError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;
  /** The checks that led to it, the failed one last; may be empty. */
  readonly report: readonly ReportedCheck[];

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; detail?: ErrorDetail; report?: readonly ReportedCheck[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DepotError';
    this.code = code;
    this.detail = options.detail ?? {};
    this.report = (options.report ?? []).slice(-MAX_REPORTED_CHECKS);
  }

  get status(): number {
    return errorCodes[this.code].status;
  }

  get retry(): RetryAdvice {
    return errorCodes[this.code].retry;
  }
}

/** More layers than this are cut: a cyclic cause must not hang the reporter. */
const MAX_CHAIN = 16;

/** The messages of an error and its causes, outermost first. */
export const messageChain = (error: unknown): string => {
  const parts: string[] = [];
  let layer = error;
  for (let depth = 0; layer !== undefined && layer !== null && depth < MAX_CHAIN; depth += 1) {
    parts.push(layer instanceof Error ? layer.message || layer.name : String(layer));
    layer = layer instanceof Error ? layer.cause : undefined;
  }
  return parts.join(': ');
};

/** The code of the outermost layer that has one; `INTERNAL` when none does. */
export const errorCodeOf = (error: unknown): ErrorCode => findDepotError(error)?.code ?? 'INTERNAL';

const DATABASE_STATES: ReadonlySet<ErrorCode> = new Set([
  'DATABASE_UNAVAILABLE',
  'DATABASE_CONTENTION',
  'COMMIT_UNCERTAIN',
]);

/** Whether a retry may succeed once the database is available: nothing is wrong with the request. */
export const isOfDatabase = (error: unknown): boolean => DATABASE_STATES.has(errorCodeOf(error));

/** The outermost {@link DepotError} in the chain. */
export const findDepotError = (error: unknown): DepotError | undefined => {
  let layer = error;
  for (let depth = 0; layer instanceof Error && depth < MAX_CHAIN; depth += 1) {
    if (layer instanceof DepotError) return layer;
    layer = layer.cause;
  }
  return undefined;
};

/** The report of the outermost layer that has one; empty when none does. */
export const reportOf = (error: unknown): readonly ReportedCheck[] => {
  let layer = error;
  for (let depth = 0; layer instanceof Error && depth < MAX_CHAIN; depth += 1) {
    if (layer instanceof DepotError && layer.report.length > 0) return layer.report;
    layer = layer.cause;
  }
  return [];
};

/** The outermost layer with a code of its own, ours or one of the operating system. */
export const firstWithCode = (error: unknown): Error | undefined => {
  let layer = error;
  for (let depth = 0; layer instanceof Error && depth < MAX_CHAIN; depth += 1) {
    if ('code' in layer) return layer;
    layer = layer.cause;
  }
  return undefined;
};

/** The operating system's code (`EIO`, `EADDRINUSE`, …) of the first layer that has one. */
export const systemErrorCode = (error: unknown): string | undefined => {
  let layer = error;
  for (let depth = 0; layer instanceof Error && depth < MAX_CHAIN; depth += 1) {
    if ('code' in layer && typeof layer.code === 'string' && !(layer instanceof DepotError))
      return layer.code;
    layer = layer.cause;
  }
  return undefined;
};
