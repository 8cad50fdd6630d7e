/** A repository that this Nexus follows: from `[[source]]` in nexus.toml, or from an operator's request for once. */
import { createHash } from 'node:crypto';
import { repositoryUrls } from '../../../source/http-source.ts';

export type SourceConfig = {
  /** Unique among the sources of one Nexus. */
  readonly name: string;
  readonly metadataUrl: string;
  readonly targetsUrl: string;
  /** Undefined for one that is followed only when an operator asks. */
  readonly periodMs: number | undefined;
  readonly proxy: string | undefined;
  readonly caFile: string | undefined;
  /** Of all targets of one release. */
  readonly maxBytes: number;
  readonly maxBytesPerSecond: number | undefined;
};

/** For a repository that is fetched because somebody asked, under a name that its address gives it. */
export const sourceForOnce = (url: string, maxBytes: number): SourceConfig => ({
  ...repositoryUrls(url),
  name: `once-${folderOf(repositoryUrls(url))}`,
  periodMs: undefined,
  proxy: undefined,
  caFile: undefined,
  maxBytes,
  maxBytesPerSecond: undefined,
});

/** Where its targets are kept until they are a release: the same after a restart, and whatever the source is called. */
export const folderOf = ({
  metadataUrl,
  targetsUrl,
}: Pick<SourceConfig, 'metadataUrl' | 'targetsUrl'>): string =>
  createHash('sha256')
    .update(JSON.stringify([metadataUrl, targetsUrl]))
    .digest('hex')
    .slice(0, 16);
