/** The point that a sled holds, in the details of its refusal of a config. */
import { z } from 'zod';
import { Generation, type Point, SetDigest } from '../core/ids.ts';
import type { PointClaim } from '../core/lineage.ts';
import type { ErrorDetail } from '../lib/errors.ts';

/** @param held absent if the sled has no config */
export const refusedClaimDetail = (held: Point | undefined, hasLineage: boolean): ErrorDetail => ({
  held: held?.generation ?? null,
  held_digest: held?.digest ?? null,
  held_lineage: hasLineage,
});

/** Undefined where the details name no point. */
export const refusedClaimOf = ({ held, held_digest, held_lineage }: ErrorDetail): PointClaim | undefined =>
  Claim.safeParse({ generation: held, digest: held_digest, hasLineage: held_lineage }).data;

const Claim = z.object({ generation: Generation, digest: SetDigest, hasLineage: z.boolean() });
