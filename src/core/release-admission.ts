/**
 * Admission: which artifacts a sled may store and serve, by the bundles of releases that it verified itself (T3).
 *
 *     releases of the config, bundles kept for files ─▶ verdict of each bundle ─▶ its state ─▶ the hashes that it admits
 *
 * ADM1. A hash is admitted only if an admitted bundle lists it. A bundle is admitted if the newest root of a pinned chain vouches
 *      for it; if an older root does and this sled had admitted it before the rotation, by its record; or if it is exempted by name.
 * ADM2. A signature admits what signed metadata lists. Only an exemption admits what no signature names.
 * ADM3. A rotation un-admits nothing: what is admitted is in the record when a chain grows.
 * ADM4. A bundle that is missing, refused or not exempted costs the hashes that it alone lists, and no others (G7).
 * ADM5. Where the key of an administrator is pinned, only a statement exempts. Without one the word of a Nexus does, and the state
 *      names it.
 * ADM6. Where only a SHA-512 is signed, a hash is admitted once this sled has seen that its bytes have that SHA-512; until then bytes may
 *      be received under it, and are stored if they have.
 */
import type { ArtifactHash } from './ids.ts';
import type { BundleState, OfferedRelease, RefusalCause } from './release-trust.ts';

/** Of a bundle whose bytes this sled has; a bundle that it does not have has none. */
export type BundleVerdict = {
  /** The root that vouches: its version, and the chain by the SHA-256 of its first pinned root. Undefined if none does. */
  readonly root: { readonly chain: string; readonly version: number } | undefined;
  /** Why no root vouches; undefined if one does, and for a bundle without metadata. */
  readonly problem: string | undefined;
  /** Of that problem. */
  readonly cause?: RefusalCause | undefined;
  /** The bytes are no bundle at all. */
  readonly isInvalid?: boolean | undefined;
  /** What the root vouches for. */
  readonly signed: Hashes;
  /** SHA-512 by SHA-256, where the root vouches for the SHA-512 alone; absent for none (ADM6). */
  readonly bySha512?: ReadonlyMap<ArtifactHash, string>;
  /** What no signature names. */
  readonly unsigned: Hashes;
  /** Everything that it lists, signed or not, by whomever. */
  readonly listed: Hashes;
};

type Hashes = ReadonlySet<ArtifactHash>;

/** Why a bundle was admitted first: it is in the record by a signature, or by a word alone. */
export type AdmittedBy = 'signature' | 'word';

export type AdmissionFacts = {
  /** Of the config in force. */
  readonly releases: readonly OfferedRelease[];
  /** Bundles that no config names, kept for files that are still here. */
  readonly kept: readonly string[];
  readonly verdictOf: (bundle: string) => BundleVerdict | undefined;
  /** The version of the newest root of each chain that counts. */
  readonly newest: ReadonlyMap<string, number>;
  /** Bundles that were admitted. */
  readonly record: ReadonlyMap<string, AdmittedBy>;
  readonly hasAdminKey: boolean;
  readonly isExemptedByStatement: (bundle: string) => boolean;
  /** Of bytes with this SHA-256 that this sled has read whole: a fact about the two hashes, wherever the bytes are (ADM6). */
  readonly sha512Of?: (sha256: ArtifactHash) => string | undefined;
};

type BundleStanding = {
  readonly bundle: string;
  /** Undefined for one that no config names. */
  readonly systemVersion: string | undefined;
  readonly state: BundleState;
  readonly reason: string | undefined;
  readonly cause: RefusalCause | undefined;
  /** What admits it; undefined if nothing does. */
  readonly by: 'signature' | 'statement' | 'word' | undefined;
  /** A root vouches for it, whatever else admits it: the record has that, for the time after a rotation (ADM3). */
  readonly isSigned: boolean;
};

export type Admission = {
  /** Of each release of the config, in its order, then of the others. */
  readonly bundles: readonly BundleStanding[];
  readonly admits: (sha256: ArtifactHash) => boolean;
  /** By SHA-256 the SHA-512s of which one admits it, if its bytes have it (ADM6). */
  readonly bySha512: ReadonlyMap<ArtifactHash, ReadonlySet<string>>;
};

export const judgeAdmission = (facts: AdmissionFacts): Admission => {
  const named = new Set(facts.releases.map(({ bundle }) => bundle));
  const asked: readonly Asked[] = [
    ...facts.releases,
    ...facts.kept
      .filter(bundle => !named.has(bundle))
      // Nobody names it any more: what exempted it is in the record.
      .map(bundle => ({ bundle, systemVersion: undefined, isExempt: facts.record.get(bundle) === 'word' })),
  ];
  const bundles = asked.map(each => judge(each, facts.verdictOf(each.bundle), facts));
  const admitting = bundles.flatMap(({ bundle, by }) => {
    const verdict = facts.verdictOf(bundle);
    if (by === undefined || verdict === undefined) return [];
    return [by === 'signature' ? verdict.signed : verdict.listed]; // ADM2
  });
  const bySha512 = sha512sOf(
    bundles.flatMap(({ bundle, by }) => (by === 'signature' ? [facts.verdictOf(bundle)?.bySha512] : [])),
  );
  let together: Hashes | undefined;
  return {
    bundles,
    bySha512,
    admits(sha256) {
      together ??= unionOf(admitting);
      if (together.has(sha256)) return true;
      const signed = bySha512.get(sha256);
      const seen = signed && facts.sha512Of?.(sha256);
      return seen !== undefined && signed?.has(seen) === true;
    },
  };
};

/** A listing asks for each artifact on each disk: with a thousand releases the search through each of them would take seconds. */
const unionOf = (all: readonly Hashes[]): Hashes => {
  const [first, ...others] = all;
  if (first !== undefined && others.length === 0) return first;
  const union = new Set<ArtifactHash>();
  for (const hashes of all) for (const sha256 of hashes) union.add(sha256);
  return union;
};

const sha512sOf = (
  all: readonly (ReadonlyMap<ArtifactHash, string> | undefined)[],
): ReadonlyMap<ArtifactHash, ReadonlySet<string>> => {
  const sha512s = new Map<ArtifactHash, Set<string>>();
  for (const [sha256, sha512] of all.flatMap(each => [...(each ?? [])]))
    sha512s.set(sha256, (sha512s.get(sha256) ?? new Set()).add(sha512));
  return sha512s;
};

type Asked = Pick<OfferedRelease, 'bundle' | 'isExempt'> & { readonly systemVersion: string | undefined };

const judge = (asked: Asked, verdict: BundleVerdict | undefined, facts: AdmissionFacts): BundleStanding => {
  const { bundle, systemVersion } = asked;
  const problem = verdict && signatureProblem(bundle, verdict, facts);
  const isSigned = verdict !== undefined && problem === undefined;
  const as = (state: BundleState, by: BundleStanding['by'], reason?: string): BundleStanding => ({
    ...{ bundle, systemVersion, state, by, reason, isSigned },
    cause: state === 'refused' ? verdict?.cause : undefined,
  });
  if (verdict === undefined)
    return as('missing', undefined, 'this sled does not have its metadata yet; a Nexus sends it in a round');
  if (isSigned && verdict.unsigned.size === 0) return as('admitted', 'signature');
  const exemptedBy = exemption(asked, facts);
  if (exemptedBy !== undefined) return as('admitted', exemptedBy);
  const isBare = verdict.root === undefined && verdict.problem === undefined;
  if (problem !== undefined && !isBare) return as('refused', undefined, problem);
  const by = problem === undefined ? 'signature' : undefined;
  return verdict.unsigned.size > 0
    ? as('unexempted', by, unsignedReason(verdict.unsigned.size, facts))
    : as('refused', by, problem);
};

/** ADM5 */
const exemption = (
  { bundle, isExempt }: Asked,
  { hasAdminKey, isExemptedByStatement }: AdmissionFacts,
): 'statement' | 'word' | undefined => {
  if (isExemptedByStatement(bundle)) return 'statement';
  return isExempt && !hasAdminKey ? 'word' : undefined;
};

/** ADM1: why no signature admits it. */
const signatureProblem = (
  bundle: string,
  { root, problem }: BundleVerdict,
  { newest, record }: AdmissionFacts,
): string | undefined => {
  if (root === undefined) return problem ?? 'it has no signed metadata';
  const version = newest.get(root.chain);
  if (version === undefined) return 'the chain of roots that vouches for it does not count on this sled';
  if (root.version >= version || record.get(bundle) === 'signature') return undefined;
  return `only root version ${root.version} vouches for it, the newest one is ${version}, and this sled had not admitted it before`;
};

const unsignedReason = (count: number, { hasAdminKey }: AdmissionFacts): string =>
  `no signature names ${count} of its artifacts; ${
    hasAdminKey
      ? 'a statement of the administrator has to exempt the release'
      : 'an admin has to exempt the release: tuf-depot repo exempt VERSION'
  }`;

/** Why an artifact that no admitted bundle lists is withheld. */
export const withheldReason = ({ bundles }: Admission, hasReleases: boolean): string => {
  const [first, ...others] = bundles.filter(({ state }) => state !== 'admitted');
  if (first === undefined)
    return hasReleases
      ? 'no release of its config lists it'
      : 'no release that this sled has verified lists it, and its Nexus names no releases';
  const name =
    first.systemVersion === undefined ? 'metadata kept for files' : `release ${first.systemVersion}`;
  const more = others.length > 0 ? `; ${others.length} more releases are not admitted` : '';
  return `no release that this sled has verified lists it; ${name} is ${first.state}: ${first.reason}${more}`;
};
