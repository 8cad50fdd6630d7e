/** An archive by its sidecar: release 1.0.0, without artifacts. */
import { randomUUID } from 'node:crypto';
import { RepoId, SystemVersion, UploadId } from '../../../core/ids.ts';
import type { StagedArchive } from './staged-archive.ts';

export const stagedArchive = (marks: Partial<StagedArchive> = {}): StagedArchive => ({
  uploadId: UploadId.parse(randomUUID()),
  repoId: RepoId.parse(randomUUID()),
  systemVersion: SystemVersion.parse('1.0.0'),
  fileName: 'a.zip',
  archiveHash: 'f'.repeat(64),
  hashKind: 'archive',
  overrides: [],
  artifacts: new Map(),
  acknowledged: false,
  dropping: false,
  ...marks,
});
