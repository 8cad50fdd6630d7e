/**
 * Exit codes for scripts; docs/operations.md lists them. `status` has two of its own, so that a monitor needs no
 * parsing.
 */
export const exitCodes = {
  ok: 0,
  /** Failed, refused, or `status` says `failed`. */
  failed: 1,
  usage: 2,
  timedOut: 3,
  /** `status`: converging, nothing is wrong. */
  converging: 4,
  /** `status`: works, but something needs attention. */
  degraded: 5,
  /** 128 + SIGHUP, as a shell reports it: the terminal is gone. */
  hungUp: 129,
  /** 128 + SIGINT. */
  interrupted: 130,
  /** 128 + SIGTERM. */
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Signals that ask every command to stop; each is obeyed by stopping cleanly. */
export const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** SIGHUP stops all but servers. */
type StopSignal = (typeof STOP_SIGNALS)[number] | 'SIGHUP';

const stopExitCodes: Record<StopSignal, ExitCode> = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  SIGHUP: exitCodes.hungUp,
};

/** Why the process was asked to stop: the reason of its AbortSignal. */
export class Interruption extends Error {
  readonly exitCode: ExitCode;

  constructor(signal: StopSignal) {
    super(`interrupted by ${signal}`);
    this.name = 'AbortError';
    this.exitCode = stopExitCodes[signal];
  }
}
