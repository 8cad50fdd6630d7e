/**
 * What a script learns from the exit code. docs/operations.md lists them; `status` has two of its own, so
 * that a monitor needs no parsing.
 */
export const exitCodes = {
  ok: 0,
  /** Failed, refused, or `status` says `failed`. */
  failed: 1,
  usage: 2,
  timedOut: 3,
  /** `status`: on the way, nothing is wrong. */
  converging: 4,
  /** `status`: works, but something needs looking at. */
  degraded: 5,
  /** 128 + SIGINT, as a shell reports it. */
  interrupted: 130,
  /** 128 + SIGTERM. */
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Why the process was asked to stop: the reason of its AbortSignal. */
export class Interruption extends Error {
  readonly exitCode: ExitCode;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`interrupted by ${signal}`);
    this.name = 'AbortError';
    this.exitCode = signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated;
  }
}
