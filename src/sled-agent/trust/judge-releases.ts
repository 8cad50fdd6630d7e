/**
 * What the store asks about bundles of releases, answered by what this sled has pinned.
 *
 *     bundle ─▶ judged against the newest root of each chain that counts, and the older ones for one in the record ─▶ verdict
 */
import type { JudgedBundle } from '../../bundle/judge.ts';
import type { JudgeBundle } from '../../bundle/judge-apart.ts';
import type { BundleVerdict } from '../../core/release-admission.ts';
import type { ReleaseTrust } from '../store/release-trust.ts';
import { newestRoot } from './pinned-chain.ts';
import { rootsToTry, type SledTrust, type TriedRoot } from './trust.ts';

/** @param judge `judgeApart`, or its counterpart without a thread */
export const releaseTrust = (trust: SledTrust, judge: JudgeBundle): ReleaseTrust => ({
  requiresSigned: trust.requiresSigned,
  facts: () => ({
    newest: trust.newest(),
    record: trust.record(),
    hasAdminKey: trust.adminKeys().length > 0,
    isExemptedByStatement: trust.exempts,
  }),
  async judge(bundle, bytes, { signal }) {
    const tried = rootsToTry(trust.counting(), trust.record().has(bundle));
    const roots = tried.map(root => ({ id: root.id, bytes: root.bytes }));
    return verdictOf(await judge(bytes, roots, { signal }), tried);
  },
  recordAdmitted: trust.recordAdmitted,
  forget: trust.forget,
  report: () => ({
    chains: trust.chains().map(chain => {
      const { version, sha256 } = newestRoot(chain);
      return { rootSha256: chain.id, version, newestSha256: sha256 };
    }),
    adminKeys: trust.adminKeys().map(({ digest }) => digest),
  }),
  onChange: trust.onChange,
});

/** The root that vouches is the pinned one that the verification began with: what a bundle adds to it proves nothing more. */
const verdictOf = (
  { signed, bySha512, unsigned, listed, verdict }: JudgedBundle,
  tried: readonly TriedRoot[],
): BundleVerdict => {
  const lists = { signed, unsigned, listed, ...(bySha512.size > 0 && { bySha512 }) };
  if (verdict.kind === 'nothing_signed') return { root: undefined, problem: undefined, ...lists };
  if (verdict.kind === 'refused') return { root: undefined, problem: verdict.message, ...lists };
  const root = tried.find(({ id }) => id === verdict.trustRootId);
  return { root: root && { chain: root.chain, version: root.version }, problem: undefined, ...lists };
};
