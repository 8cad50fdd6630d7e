/** An artifact config. */
import type { ArtifactConfigBody } from '../api/sled-agent-api.ts';
import type { OfferedConfig } from '../core/artifact-config.ts';
import { MAX_OFFERED_RELEASES } from '../core/release-trust.ts';
import { pointBody, pointOf } from './point.ts';
import { offeredReleaseBody, offeredReleaseOf } from './release-trust.ts';

export const configOf = ({
  generation,
  artifacts,
  sizes,
  succeeds,
  unknown_point,
  releases,
}: ArtifactConfigBody): OfferedConfig => ({
  generation,
  succeeds: succeeds === undefined || succeeds === 'unknown' ? succeeds : pointOf(succeeds),
  ...(unknown_point !== undefined && { unknownPoint: pointOf(unknown_point) }),
  artifacts: new Map(artifacts.map(hash => [hash, sizes?.[hash]])),
  ...(releases !== undefined && { releases: releases.map(offeredReleaseOf) }),
});

export const configBody = ({
  generation,
  artifacts,
  succeeds,
  unknownPoint,
  releases,
}: OfferedConfig): ArtifactConfigBody => ({
  generation,
  artifacts: [...artifacts.keys()],
  sizes: Object.fromEntries(
    [...artifacts].filter(([, size]) => size !== undefined),
  ) as ArtifactConfigBody['sizes'],
  ...(succeeds !== undefined && { succeeds: succeeds === 'unknown' ? succeeds : pointBody(succeeds) }),
  ...(unknownPoint !== undefined && { unknown_point: pointBody(unknownPoint) }),
  ...(releases !== undefined && {
    releases: releases.slice(0, MAX_OFFERED_RELEASES).map(offeredReleaseBody),
  }),
});
