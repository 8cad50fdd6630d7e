import type { z } from 'zod';
import type { WirePoint } from '../api/sled-agent-api.ts';
import type { Point } from '../core/ids.ts';

type PointBody = z.infer<typeof WirePoint>;

export const pointOf = ({ generation, config_digest: digest }: PointBody): Point => ({ generation, digest });

export const pointBody = ({ generation, digest }: Point): PointBody => ({
  generation,
  config_digest: digest,
});
