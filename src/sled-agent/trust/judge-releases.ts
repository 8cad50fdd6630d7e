/**
 * What the store asks about bundles of releases, answered by what this sled has pinned.
 *
 *     bundle ─▶ judged against the newest root of each chain that counts, and the older ones for one in the record ─▶ verdict
 *
 * JR1. What only the signature policy refuses says so, with the setting: the operator who set it in Nexus alone sees why nothing arrives.
 *      The wider judgement admits nothing.
 */
import type { JudgedBundle } from '../../bundle/judge.ts';
import type { JudgeBundle } from '../../bundle/judge-apart.ts';
import type { BundleVerdict } from '../../core/release-admission.ts';
import { ALL_SIGNATURES, isCovered } from '../../tuf/signature-policy.ts';
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
    const { signatures, counting, unaccepted, record } = trust;
    const tried = rootsToTry(counting(), record().has(bundle));
    const judged = await judge(bytes, tried, { signatures, signal });
    const verdict = verdictOf(judged, tried);
    if (judged.verdict.kind !== 'refused' || isCovered(ALL_SIGNATURES, signatures)) return verdict;
    const wider = [...tried, ...rootsToTry(unaccepted(), false)];
    const told = await judge(bytes, wider, { signatures: ALL_SIGNATURES, signal });
    return told.verdict.kind === 'vouched' ? { ...verdict, ...UNACCEPTED } : verdict; // JR1
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

const UNACCEPTED = {
  cause: 'signature_scheme',
  problem:
    'its signatures are of the scheme RSASSA-PKCS1-v1_5, which this sled does not accept; to accept it: accept_rsa_pkcs1v15 = true in [trust] of its sled-agent.toml',
} as const;

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
