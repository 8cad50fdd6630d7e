/** A repository that this Nexus follows: from `[[source]]` in nexus.toml, or fetched once for an operator. */
import { createHash } from 'node:crypto';
import { DEFAULT_PROGRESS, type ProgressDeadline } from '../../../http/progress.ts';
import { repositoryUrls } from '../../../source/http-source.ts';

export type SourceConfig = {
  /** Unique among the sources of one Nexus. */
  readonly name: string;
  readonly metadataUrl: string;
  readonly targetsUrl: string;
  /** Undefined for one that is fetched only on request. */
  readonly periodMs: number | undefined;
  readonly proxy: string | undefined;
  readonly caFile: string | undefined;
  /** Of all targets of one release. */
  readonly maxBytes: number;
  readonly maxBytesPerSecond: number | undefined;
  /** Of a download. */
  readonly progress: ProgressDeadline;
};

/** For a repository that is fetched on request, with a name derived from its address. */
export const sourceForOnce = (url: string, maxBytes: number): SourceConfig => ({
  ...repositoryUrls(url),
  name: `once-${folderOf(repositoryUrls(url))}`,
  periodMs: undefined,
  proxy: undefined,
  caFile: undefined,
  maxBytes,
  maxBytesPerSecond: undefined,
  progress: DEFAULT_PROGRESS,
});

/** The directory of its targets until they are a release: the same after a restart, and under any name of the source. */
export const folderOf = ({
  metadataUrl,
  targetsUrl,
}: Pick<SourceConfig, 'metadataUrl' | 'targetsUrl'>): string =>
  createHash('sha256')
    .update(JSON.stringify([metadataUrl, targetsUrl]))
    .digest('hex')
    .slice(0, 16);
