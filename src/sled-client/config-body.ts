/** An artifact config on the wire of the sled agent's API, and back. */
import { createHash } from 'node:crypto';
import type { ArtifactConfigBody } from '../api/sled-agent-api.ts';
import { digestInput, type OfferedConfig } from '../core/artifact-config.ts';
import { pointBody } from './point.ts';
import type { SledConfig } from './sled-connection.ts';

export const configBody = ({ generation, artifacts, succeeds }: OfferedConfig): ArtifactConfigBody => ({
  generation,
  artifacts: [...artifacts.keys()],
  sizes: Object.fromEntries(
    [...artifacts].filter(([, size]) => size !== undefined),
  ) as ArtifactConfigBody['sizes'],
  ...(succeeds !== undefined && { succeeds: succeeds === 'unknown' ? succeeds : pointBody(succeeds) }),
});

/** The digest is computed here, from the listed hashes: a digest that the sled sends would prove nothing. */
export const sledConfigOf = ({ generation, artifacts }: ArtifactConfigBody): SledConfig => ({
  generation,
  digest: createHash('sha256').update(digestInput(artifacts)).digest('hex'),
  artifacts: new Set(artifacts),
});
