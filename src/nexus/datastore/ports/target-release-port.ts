/** The target release, and the previous ones. */
import type { RepoId } from '../../../core/ids.ts';
import type { AuditedWith } from './audit-port.ts';
import type { RepoRecord } from './release-port.ts';
import type { Wait } from './verb.ts';

export type TargetReleaseRecord = {
  readonly generation: number;
  readonly timeRequestedMs: number;
  /** Null for the first row, before any target was set. */
  readonly repo: RepoRecord | null;
};

export type TargetReleasePort = {
  readonly targetReleaseGet: (wait: Wait) => Promise<TargetReleaseRecord>;
  /** Optimistic: fails with `TARGET_RELEASE_REFUSED` when another set it since `expectedGeneration`, or the release was pruned. */
  readonly targetReleaseSet: (
    set: { readonly repoId: RepoId; readonly expectedGeneration: number },
    options: AuditedWith<{ readonly isForced: boolean }>,
  ) => Promise<TargetReleaseRecord>;
  /** The most recent target releases, each once, the latest first: retention keeps them (S21). */
  readonly targetReleaseRecent: (count: number, wait: Wait) => Promise<readonly TargetReleaseRecord[]>;
};
