/**
 * Expiry: the warnings, and their times.
 *
 * EW1. A warning comes 30, 14, 7 and 1 days before expiry, and names the last of these limits; another one comes after it.
 * EW2. A release stays deployable after its metadata has expired (it was current when it was accepted), so the warning
 *      degrades nothing. An expired root is an outage: no repository can be verified under it.
 */
import type { HealthReason } from './facts/reason.ts';
import type { TrustRootId } from './ids.ts';
import type { ReleaseRoles, RoleExpiry } from './release.ts';

const WARNING_DAYS = [30, 14, 7, 1] as const;
/** Within this time a root that expires degrades the verdict. */
const SOON_DAYS = 7;
const DAY_MS = 86_400_000;

export type ExpiryWarning =
  | { readonly kind: 'expired' }
  | { readonly kind: 'expiring'; readonly withinDays: (typeof WARNING_DAYS)[number] };

/** Undefined while there are more than 30 days left. */
export const expiryWarning = (expiresMs: number, nowMs: number): ExpiryWarning | undefined => {
  if (expiresMs <= nowMs) return { kind: 'expired' };
  const withinDays = WARNING_DAYS.findLast(days => expiresMs - nowMs <= days * DAY_MS);
  return withinDays === undefined ? undefined : { kind: 'expiring', withinDays };
};

export type ExpiringRoot = { readonly id: TrustRootId; readonly version: number; readonly expiresMs: number };

/** One reason for each release and for each root, however many of its roles expire (HE2). */
export const expiryReasons = (
  releases: readonly ReleaseRoles[],
  roots: readonly ExpiringRoot[],
  nowMs: number,
): readonly HealthReason[] => [
  ...roots.flatMap(root => rootReason(root, nowMs)),
  ...releases.flatMap(release => releaseReason(release, nowMs)),
];

const rootReason = ({ id, version, expiresMs }: ExpiringRoot, nowMs: number): readonly HealthReason[] => {
  const warning = expiryWarning(expiresMs, nowMs);
  if (warning === undefined) return [];
  const root = { trustRootId: id, rootVersion: version };
  if (warning.kind === 'expired') return [{ code: 'ROOT_EXPIRED', ...root, sinceMs: expiresMs }];
  const { withinDays } = warning;
  return [{ code: withinDays <= SOON_DAYS ? 'ROOT_EXPIRES_SOON' : 'ROOT_EXPIRING', ...root, withinDays }];
};

const releaseReason = ({ systemVersion, roles }: ReleaseRoles, nowMs: number): readonly HealthReason[] => {
  const soonest = roles
    .filter(({ role }) => role !== 'root')
    .reduce<RoleExpiry | undefined>(
      (first, role) => (first === undefined || role.expiresMs < first.expiresMs ? role : first),
      undefined,
    );
  const warning = soonest && expiryWarning(soonest.expiresMs, nowMs);
  if (soonest === undefined || warning === undefined) return [];
  const { role, expiresMs: sinceMs } = soonest;
  return warning.kind === 'expired'
    ? [{ code: 'METADATA_EXPIRED', systemVersion, role, sinceMs }]
    : [{ code: 'METADATA_EXPIRING', systemVersion, role, withinDays: warning.withinDays }];
};
