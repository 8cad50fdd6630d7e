/**
 * Which release may become the target.
 *
 * TR1. The first target may be any release; after it there is no way back, none to the same, and none over a
 *      major version. Build metadata does not order versions.
 * TR2. The release is complete on every reachable sled, unless forced (B17).
 */
import { compare, major } from 'semver';
import type { SystemVersion } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';

export type ReleaseProgress = {
  /** Every reachable in-service sled holds all of it. */
  readonly complete: boolean;
  /** How far it is, and which sleds were left out because they do not answer. */
  readonly message: string;
};

/** @throws `TARGET_RELEASE_REFUSED` (TR1) */
export const requireAllowedTarget = (current: SystemVersion | undefined, wanted: SystemVersion): void => {
  if (current === undefined) return;
  const refuse = (reason: string) =>
    new DepotError('TARGET_RELEASE_REFUSED', `the target release cannot be changed: ${reason}`);
  if (current === wanted) throw refuse(`it is ${wanted} already`);
  if (compare(wanted, current) < 0)
    throw refuse(`${wanted} is older than ${current}, and there is no way back`);
  if (major(wanted) > major(current) + 1)
    throw refuse(
      `${wanted} skips a major version after ${current}; set one of ${major(current) + 1}.x first`,
    );
};

/** @throws `RELEASE_NOT_COMPLETE` (TR2) */
export const requireComplete = (version: SystemVersion, progress: ReleaseProgress | undefined): void => {
  if (progress?.complete) return;
  const soFar = progress?.message ?? 'this Nexus has not asked the sleds yet';
  throw new DepotError(
    'RELEASE_NOT_COMPLETE',
    `release ${version} is not on every sled yet (${soFar}); wait for it, or force the change`,
  );
};
