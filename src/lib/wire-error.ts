/** Errors between threads: the structured clone of an error loses its class, its code and its detail. */
import type { ReportedCheck } from './check-report.ts';
import type { ErrorCode } from './error-codes.ts';
import { DepotError, type ErrorDetail } from './errors.ts';

export type WireError = {
  readonly message: string;
  readonly stack: string | undefined;
  readonly cause: WireError | undefined;
} & (
  | {
      readonly kind: 'depot';
      readonly code: ErrorCode;
      readonly detail: ErrorDetail;
      readonly report: readonly ReportedCheck[];
    }
  /** `code` is the operating system's, for a failed system call. */
  | { readonly kind: 'other'; readonly name: string; readonly code: string | undefined }
);

/** A longer or cyclic chain is cut. */
const MAX_CHAIN = 16;

export const encodeError = (error: unknown, depth = 1): WireError => {
  const { message, stack, cause } = error instanceof Error ? error : new Error(String(error));
  const common = {
    message,
    stack,
    cause:
      cause === undefined || cause === null || depth >= MAX_CHAIN ? undefined : encodeError(cause, depth + 1),
  };
  if (error instanceof DepotError)
    return { ...common, kind: 'depot', code: error.code, detail: error.detail, report: error.report };
  const name = error instanceof Error ? error.name : 'Error';
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  return { ...common, kind: 'other', name, code };
};

export const decodeError = (wire: WireError): Error => {
  const options = wire.cause === undefined ? {} : { cause: decodeError(wire.cause) };
  const error =
    wire.kind === 'depot'
      ? new DepotError(wire.code, wire.message, { ...options, detail: wire.detail, report: wire.report })
      : Object.assign(new Error(wire.message, options), {
          name: wire.name,
          ...(wire.code && { code: wire.code }),
        });
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
};
