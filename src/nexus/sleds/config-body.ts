/** An artifact config on the wire of the sled agent's API, and back. */
import type { ArtifactConfigBody } from '../../api/sled-agent-api.ts';
import type { OfferedConfig } from '../../core/artifact-config.ts';
import { wantedSetDigest } from '../datastore/decisions/generation.ts';
import type { SledConfig } from './sled-connection.ts';

export const configBody = ({ generation, artifacts, succeeds }: OfferedConfig): ArtifactConfigBody => ({
  generation,
  artifacts: [...artifacts.keys()],
  sizes: Object.fromEntries(
    [...artifacts].filter(([, size]) => size !== undefined),
  ) as ArtifactConfigBody['sizes'],
  ...(succeeds !== undefined && {
    succeeds:
      succeeds === 'unknown' ? succeeds : { generation: succeeds.generation, config_digest: succeeds.digest },
  }),
});

export const sledConfigOf = ({ generation, artifacts }: ArtifactConfigBody): SledConfig => ({
  generation,
  digest: wantedSetDigest(artifacts),
  artifacts: new Set(artifacts),
});
