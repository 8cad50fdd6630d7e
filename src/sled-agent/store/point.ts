import { createHash } from 'node:crypto';
import { type ArtifactConfig, digestInput } from '../../core/artifact-config.ts';
import type { Point } from '../../core/ids.ts';

/** By identity: configs never change, and the longest one takes tens of milliseconds to sort and hash. */
const points = new WeakMap<ArtifactConfig, Point>();

export const pointOf = (config: ArtifactConfig): Point => {
  const known = points.get(config);
  if (known !== undefined) return known;
  const digest = createHash('sha256').update(digestInput(config.artifacts.keys())).digest('hex');
  const point = { generation: config.generation, digest };
  points.set(config, point);
  return point;
};
