/**
 * Which bundle a release has.
 *
 * BR1. A release has one bundle, while it is present. The first one stays: sleds have admitted it, and exemptions name its hash.
 * BR2. Another one replaces it only where that helps: the first one has no metadata, or the newest root vouches for the other one, so
 *      that a release that was signed anew is accepted after its old keys were rotated away.
 * BR3. Where an archive is read in another way than before (CN4), its bundle lists the artifacts of that reading, and an exemption by
 *      this fleet's admins stays with the release.
 */
import type { AuditAction } from '../../../core/facts/audit.ts';
import type { SystemVersion } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { NewBundle, RecordedBundle } from '../ports/release-port.ts';

export type OfferedBundle = NewBundle & {
  /** CN4 */
  readonly isReadAnew?: boolean;
};

/** Whether the bundle that replaces another one is exempted as that one was. */
export const staysExempted = (recorded: RecordedBundle | undefined, offered: OfferedBundle): boolean =>
  offered.isReadAnew === true && recorded?.isExempted === true;

export const replacesBundle = (recorded: RecordedBundle | undefined, offered: OfferedBundle): boolean => {
  if (recorded === undefined) return true;
  if (recorded.sha256 === offered.sha256) return false;
  if (offered.isReadAnew === true) return true;
  if (offered.kind === 'unsigned') return false;
  return recorded.kind === 'unsigned' || offered.isCurrent;
};

/** The audited action. */
export const releaseExempted = (
  systemVersion: SystemVersion,
  { sha256, kind, isExempted }: RecordedBundle,
): AuditAction<'release_exempted'> => ({
  kind: 'release_exempted',
  systemVersion,
  bundle: sha256,
  bundleKind: kind,
  wasExempted: isExempted,
});

/** @throws `NOT_FOUND` */
export const requireBundle = (
  systemVersion: SystemVersion,
  recorded: RecordedBundle | undefined,
): RecordedBundle => {
  if (recorded !== undefined) return recorded;
  throw new DepotError('NOT_FOUND', `there is no release ${systemVersion} with a bundle`);
};
