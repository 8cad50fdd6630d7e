/** The limits of a command that reads an archive by itself, named after those of a Nexus (`[limits]` of nexus.toml). */
import type { Command } from 'commander';
import { DEFAULT_ENTRY_BYTES, entryLimits } from '../../archive/limits.ts';
import { formatBytes } from '../output/quantities.ts';
import { parseSize } from './size.ts';

export type LimitOptions = { readonly artifactBytes?: string; readonly repositoryBytes?: string };

export const withLimitOptions = (command: Command): Command =>
  command
    .option(
      '--artifact-bytes <size>',
      `the largest artifact of an archive (${formatBytes(DEFAULT_ENTRY_BYTES.artifactBytes)})`,
    )
    .option(
      '--repository-bytes <size>',
      `the largest repository; an archive may inflate to twice as much (${formatBytes(DEFAULT_ENTRY_BYTES.repositoryBytes)})`,
    );

/** @throws `USAGE` */
export const archiveLimits = (options: LimitOptions): ReturnType<typeof entryLimits> => {
  const { artifactBytes, repositoryBytes } = DEFAULT_ENTRY_BYTES;
  return entryLimits({
    artifactBytes: parseSize(options.artifactBytes, '--artifact-bytes') ?? artifactBytes,
    repositoryBytes: parseSize(options.repositoryBytes, '--repository-bytes') ?? repositoryBytes,
  });
};

/** What helps such a command. */
export const LIMIT_REMEDY =
  'make the release smaller; if a size is the limit, raise it: --artifact-bytes SIZE, --repository-bytes SIZE, such as 8GiB (of a Nexus: limits.artifact_bytes, limits.repository_bytes)';
