/**
 * A failure, as a person reads it:
 *
 *     error: cannot upload release.zip: …: … [UNTRUSTED_SIGNATURES]
 *     fix: add the root that signed it: tuf-depot trust-root add release.zip
 *
 * FM1. One line each; no stack trace unless asked for.
 * FM2. The remedy is that of the outermost code that has one; a message may carry its own after `fix:`.
 */
import type { ErrorCode } from '../../lib/error-codes.ts';
import { DepotError, findDepotError, messageChain } from '../../lib/errors.ts';
import { printable, type Style } from './style.ts';

/** What to do, by code: only where it is the same whatever the circumstances. */
const remedies: Partial<Record<ErrorCode, string>> = {
  UNAUTHORIZED:
    'give the token with --token-file FILE, TUF_DEPOT_TOKEN or TUF_DEPOT_TOKEN_FILE; or --data DIRECTORY for a fleet of tuf-depot start',
  PEER_UNREACHABLE: 'check that Nexus runs (tuf-depot start) and that --url or TUF_DEPOT_URL is its address',
  NO_TRUST_ROOT: 'add the root that signed the release: tuf-depot trust-root add FILE',
  UNTRUSTED_SIGNATURES:
    'if you trust who signed it, add that root: tuf-depot trust-root add FILE (compare the fingerprints first)',
  METADATA_EXPIRED: 'have the release signed again, or accept it knowingly: --allow-expired',
  METADATA_ROLLBACK: 'upload the newer release, or accept the older one knowingly: --allow-rollback',
  RELEASE_CONFLICT: 'a version names one set of bytes for ever: give the new release a new version',
  ARTIFACT_CONFLICT: 'give the file the same version in both releases (repo assemble --manifest)',
  RELEASE_IN_USE: 'set another target release first: tuf-depot target-release set VERSION',
  RELEASE_NOT_COMPLETE: 'wait for it: tuf-depot repo wait VERSION; or set it knowingly: --force',
  NO_SPACE: 'make room on that disk, or wait until what is under way is done: tuf-depot status',
  FLEET_SPACE:
    'delete a release that is no longer needed: tuf-depot repo list, tuf-depot repo delete VERSION; or raise the quota of the sleds',
  NEXUS_ALIVE: 'stop that Nexus first; only one that is gone for good is expunged',
  RECOVERY_CHANGED: 'look again: tuf-depot recover generation',
  RECOVERY_LOSES_ARTIFACTS:
    'upload the releases that list them: tuf-depot repo upload FILE; or give them up by name: --give-up',
  RECOVERY_SLED_SILENT:
    'start a sled that holds that config; or, on the machine of one that does: tuf-depot sled-agent reset --config FILE',
  SHUTTING_DOWN: 'send the request to another Nexus, or again when this one is back',
};

export type Failure = {
  readonly message: string;
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
};

/** What there is to say about an error. A remedy of the error itself (`detail.remedy`) comes first. */
const describeFailure = (error: unknown): Failure => {
  const depotError = findDepotError(error);
  const own = depotError?.detail.remedy;
  const code = depotError?.code ?? 'INTERNAL';
  return {
    message: messageChain(error),
    code,
    remedy: typeof own === 'string' ? own : remedies[code],
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
