/**
 * A failure, as a person reads it:
 *
 *     error: cannot upload release.zip: …: … [UNTRUSTED_SIGNATURES]
 *     fix: if you trust its signers: tuf-depot trust-root add release.zip
 *
 * FM1. One line each; a stack trace only with --debug.
 * FM2. The remedy is that of the error itself (`detail.remedy`), otherwise that of its code.
 */
import type { ErrorCode } from '../../lib/error-codes.ts';
import { errorRemedies } from '../../lib/error-remedies.ts';
import { DepotError, findDepotError, messageChain } from '../../lib/errors.ts';
import { printable, type Style } from './style.ts';

/** Shown by the command line, unless the error brings its own remedy (`detail.remedy`). */
const shownRemedies: ReadonlySet<ErrorCode> = new Set([
  'UNAUTHORIZED',
  'FORBIDDEN',
  'PEER_UNREACHABLE',
  'PEER_IDENTITY',
  'NO_TRUST_ROOT',
  'UNTRUSTED_SIGNATURES',
  'METADATA_EXPIRED',
  'METADATA_ROLLBACK',
  'RELEASE_CONFLICT',
  'ARTIFACT_CONFLICT',
  'RELEASE_IN_USE',
  'RELEASE_NOT_COMPLETE',
  'NO_SPACE',
  'NO_USABLE_DATASET',
  'FLEET_SPACE',
  'NEXUS_ALIVE',
  'INVITATION_INVALID',
  'INVITATION_USED',
  'SLED_KEY_IN_USE',
  'SLED_SERIAL_DIFFERS',
  'NO_AUTHORITY_KEY',
  'RECOVERY_CHANGED',
  'RECOVERY_LOSES_ARTIFACTS',
  'RECOVERY_SLED_SILENT',
  'SHUTTING_DOWN',
]);

type Failure = {
  readonly message: string;
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
};

/** The lines of an error. A remedy of the error itself (`detail.remedy`) comes first. */
const describeFailure = (error: unknown): Failure => {
  const depotError = findDepotError(error);
  const own = depotError?.detail.remedy;
  const code = depotError?.code ?? 'INTERNAL';
  return {
    message: messageChain(error),
    code,
    remedy: typeof own === 'string' ? own : shownRemedies.has(code) ? errorRemedies[code] : undefined,
  };
};

export const failureLines = (error: unknown, style: Style, { debug }: { debug: boolean }): string[] => {
  const { message, code, remedy } = describeFailure(error);
  const lines = [`${style.bad('error:')} ${printable(message)} ${style.dim(`[${code}]`)}`];
  if (remedy !== undefined) lines.push(`${style.accent('fix:')} ${printable(remedy)}`);
  if (debug && error instanceof Error) lines.push(error.stack ?? String(error));
  return lines;
};

/** An error in how the command was called. */
export const usageError = (message: string, remedy?: string): DepotError =>
  new DepotError('USAGE', message, remedy === undefined ? {} : { detail: { remedy } });
