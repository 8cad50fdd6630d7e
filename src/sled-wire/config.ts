/** An artifact config. */
import type { ArtifactConfigBody } from '../api/sled-agent-api.ts';
import type { OfferedConfig } from '../core/artifact-config.ts';
import { pointBody, pointOf } from './point.ts';

export const configOf = ({ generation, artifacts, sizes, succeeds }: ArtifactConfigBody): OfferedConfig => ({
  generation,
  succeeds: succeeds === undefined || succeeds === 'unknown' ? succeeds : pointOf(succeeds),
  artifacts: new Map(artifacts.map(hash => [hash, sizes?.[hash]])),
});

export const configBody = ({ generation, artifacts, succeeds }: OfferedConfig): ArtifactConfigBody => ({
  generation,
  artifacts: [...artifacts.keys()],
  sizes: Object.fromEntries(
    [...artifacts].filter(([, size]) => size !== undefined),
  ) as ArtifactConfigBody['sizes'],
  ...(succeeds !== undefined && { succeeds: succeeds === 'unknown' ? succeeds : pointBody(succeeds) }),
});
