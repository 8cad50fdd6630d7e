import { createHash } from 'node:crypto';
import { type ArtifactConfig, digestInput } from '../../core/artifact-config.ts';
import type { Point } from '../../core/ids.ts';

/** Sorts and hashes all that the config lists: milliseconds for the longest one. */
export const pointOf = ({ generation, artifacts }: ArtifactConfig): Point => ({
  generation,
  digest: createHash('sha256').update(digestInput(artifacts.keys())).digest('hex'),
});
