/** A background task: what the driver activates. */
import type { Logger } from '../../lib/log.ts';

/** Why an activation happened; for status and logs only: no plan depends on it (S9). */
export type ActivationReason = 'signaled' | 'timeout' | 'dependency';

export type Activation = {
  readonly reason: ActivationReason;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

export type TaskResult = {
  /** Small: for logs. */
  readonly summary: Readonly<Record<string, unknown>>;
  /** For the list of tasks, which the debugger of the original reads, computed on request; by default the summary. */
  readonly listed?: () => Readonly<Record<string, unknown>>;
  /** Everything, computed on request; by default the summary. */
  readonly details?: () => Readonly<Record<string, unknown>>;
  /** The wait until the next activation in milliseconds, if shorter than the period (P6). */
  readonly againInMs?: number | undefined;
  /** Whether tasks that depend on this one have news. */
  readonly changed?: boolean;
};

export type BackgroundTask = {
  readonly name: string;
  readonly description: string;
  readonly periodMs: number;
  /** Turns timers off; signals, dependencies and manual activations still work (S9). */
  readonly disable?: boolean;
  /** Names of the tasks after whose changes this one is activated. */
  readonly dependsOn?: readonly string[];
  /** No input that a plan depends on: a restart and a peer take the same path. Rejections become the status. */
  readonly activate: (activation: Activation) => Promise<TaskResult>;
};
