/** Releases of a config, the state of their bundles, pinned roots and keys, chains of trust roots. */
import type { z } from 'zod';
import {
  MAX_BUNDLE_REASON_CHARS,
  type TrustRootChains,
  type WireBundleReport,
  type WireOfferedRelease,
  type WireTrustReport,
} from '../api/release-trust-api.ts';
import {
  BUNDLE_STATES,
  type BundleReport,
  type OfferedRelease,
  REFUSAL_CAUSES,
  type TrustReport,
} from '../core/release-trust.ts';

export const offeredReleaseOf = ({
  system_version,
  bundle,
  exempt,
}: z.infer<typeof WireOfferedRelease>): OfferedRelease => ({
  systemVersion: system_version,
  bundle,
  isExempt: exempt,
});

export const offeredReleaseBody = ({
  systemVersion,
  bundle,
  isExempt,
}: OfferedRelease): z.infer<typeof WireOfferedRelease> => ({
  system_version: systemVersion,
  bundle,
  exempt: isExempt,
});

/** In a state that only a newer sled has it does not count: it is refused, and the word is the reason. */
export const bundleReportOf = ({
  sha256,
  state,
  cause,
  reason,
}: z.infer<typeof WireBundleReport>): BundleReport => {
  const known = BUNDLE_STATES.find(each => each === state);
  const why =
    known === undefined ? (reason ?? `its state is ${state}, which this version does not know`) : reason;
  return {
    sha256,
    state: known ?? 'refused',
    ...(cause !== undefined && { cause: REFUSAL_CAUSES.find(each => each === cause) }),
    ...(why !== undefined && { reason: why }),
  };
};

export const bundleReportBody = ({
  sha256,
  state,
  cause,
  reason,
}: BundleReport): z.input<typeof WireBundleReport> => ({
  sha256,
  state,
  ...(cause !== undefined && { cause }),
  ...(reason !== undefined && { reason: reason.slice(0, MAX_BUNDLE_REASON_CHARS).toWellFormed() }),
});

export const trustReportOf = ({ chains, admin_keys }: z.infer<typeof WireTrustReport>): TrustReport => ({
  chains: chains.map(({ root_sha256, version, newest_sha256 }) => ({
    rootSha256: root_sha256,
    version,
    newestSha256: newest_sha256,
  })),
  adminKeys: admin_keys,
});

export const trustReportBody = ({ chains, adminKeys }: TrustReport): z.input<typeof WireTrustReport> => ({
  chains: chains.map(({ rootSha256, version, newestSha256 }) => ({
    root_sha256: rootSha256,
    version,
    newest_sha256: newestSha256,
  })),
  admin_keys: [...adminKeys],
});

/** @param chains the bytes of the roots of each, the oldest first */
export const rootChainsBody = (chains: readonly (readonly Uint8Array[])[]): TrustRootChains => ({
  chains: chains.map(roots => roots.map(bytes => Buffer.from(bytes).toString('utf8'))),
});

export const rootChainsOf = ({ chains }: TrustRootChains): readonly (readonly Uint8Array[])[] =>
  chains.map(roots => roots.map(text => Buffer.from(text, 'utf8')));
