/**
 * An upload of roots without a release: the trust roots that they continue move forward.
 *
 * RU1. The versions signed by removed keys are discarded in the same transaction, so that the next release sets the
 *      versions anew (TUF 5.3.11).
 */
import type { AuditOrigin } from '../../../core/facts/audit.ts';
import type { TrustRootId } from '../../../core/ids.ts';
import type { ReportedCheck } from '../../../lib/check-report.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { SignaturePolicy } from '../../../tuf/signature-policy.ts';
import type { VerifyRequest } from '../../../verify/verified-release.ts';
import type { VerifiedRoots } from '../../../verify/verify-roots.ts';
import type { TrustMove, TrustRootPort, TrustRootRecord } from '../../datastore/ports/trust-root-port.ts';
import { allTrustRoots, trustRequest } from './check-archive.ts';

export type VerifyRoots = (
  path: string,
  request: VerifyRequest<TrustRootId>,
  options: { signal: AbortSignal },
) => Promise<VerifiedRoots<TrustRootId>>;

export type RootOutcome = {
  readonly status: 'root_advanced' | 'root_known';
  readonly trustRoots: readonly { readonly id: TrustRootId; readonly rootVersion: number }[];
  readonly checks: readonly ReportedCheck[];
  readonly archive: RootArchive & { readonly timeMs: number };
};

/** An archive of roots. */
export type RootArchive = { readonly hash: string; readonly fileName: string };

type Deps = {
  readonly datastore: Pick<TrustRootPort, 'trustRootList' | 'trustRootAdvance'>;
  readonly verifyRoots: VerifyRoots;
  readonly signatures: SignaturePolicy;
  readonly clock: Clock;
  readonly log: Logger;
};

/** @throws as `verifyRoots`, and as `trustRootAdvance` */
export const takeRoots = async (
  { datastore, verifyRoots, signatures, clock, log }: Deps,
  { path, ...archive }: RootArchive & { readonly path: string },
  { signal, newOrigin }: { signal: AbortSignal; newOrigin?: (() => AuditOrigin) | undefined },
): Promise<RootOutcome> => {
  const known = await allTrustRoots(datastore, signal);
  const { moves, checks } = await verifyRoots(
    path,
    trustRequest(known, { nowMs: clock.nowMs(), signatures }),
    { signal },
  );
  const trustRoots: RootOutcome['trustRoots'][number][] = [];
  for (const move of moves) {
    const id = move.trustRootId;
    const record = known.find(root => root.id === id);
    if (move.roots.length > 0)
      await datastore.trustRootAdvance(id, rootMove(move, record), { signal, audit: newOrigin?.() });
    trustRoots.push({ id, rootVersion: move.newestVersion });
    log.info({ trust_root_id: id, root_version: move.newestVersion }, 'trust root moved by an upload');
  }
  const isNew = moves.some(({ roots }) => roots.length > 0);
  return {
    status: isNew ? 'root_advanced' : 'root_known',
    trustRoots,
    checks,
    archive: { ...archive, timeMs: clock.nowMs() },
  };
};

/** RU1. */
const rootMove = (
  { roots, newestVersion, dropsOnlineKeys }: VerifiedRoots['moves'][number],
  record: TrustRootRecord | undefined,
): TrustMove => {
  const forgets = dropsOnlineKeys && record !== undefined && record.trustedVersions !== null;
  const nothing = { root: newestVersion, timestamp: 0, snapshot: 0, targets: 0 };
  return { roots, trustedVersions: forgets ? nothing : null, forgetsVersions: forgets };
};
