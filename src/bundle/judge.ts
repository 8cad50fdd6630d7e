/**
 * A bundle, judged against trust roots.
 *
 *     bytes ─▶ parseBundle() ─┬─▶ the TUF client workflow over its metadata, for each trust root ─▶ signed targets | refusal
 *                             └─▶ every hash that it lists, signed or not
 *
 * BJ1. What is signed was verified as the metadata of an archive is: the whole chain of signatures, every delegated role, the budget of
 *      work (WB2). The bytes of targets are not here; length and SHA-256 bind them.
 * BJ2. Expiry and rollback are not judged: they were when the release was uploaded.
 * BJ3. A target without a SHA-256 signs its SHA-512: the bundle says which SHA-256 the bytes have, and the sled that receives bytes
 *      under that address compares both hashes. What the bundle says of a SHA-512 that nobody signed counts as unsigned.
 * BJ4. What a bundle lists counts only where somebody exempted exactly these bytes. It includes the targets of every file that has the
 *      form of a targets role, whoever signed it.
 * BJ5. Metadata that has two lengths for one hash is refused: no bytes have both.
 */
import type { ArtifactHash } from '../core/ids.ts';
import { systemClock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { parseMetadata } from '../tuf/metadata.ts';
import type { MetadataSource } from '../tuf/repository.ts';
import { isRefusal } from '../tuf/root-refusals.ts';
import type { SignaturePolicy } from '../tuf/signature-policy.ts';
import { isProven, type ListedTarget } from '../tuf/targets.ts';
import { createWorkBudget, type WorkBudget } from '../tuf/work-budget.ts';
import { type TrustRoot, type VerifyOptions, verifyRepository } from '../tuf/workflow.ts';
import { type Bundle, parseBundle } from './bundle.ts';

type Hashes = ReadonlySet<ArtifactHash>;

/** Plain data, which crosses threads unchanged. */
export type JudgedBundle = {
  /** The signed targets; empty without a trust root that vouches. */
  readonly signed: Hashes;
  /** SHA-512 by SHA-256, where only the SHA-512 is signed: bytes that have both are signed (BJ3). */
  readonly bySha512: ReadonlyMap<ArtifactHash, string>;
  /** The artifacts that no signed target lists, by the word of the bundle. */
  readonly unsigned: Hashes;
  /** Everything that the bundle lists, for one that was exempted (BJ4). */
  readonly listed: Hashes;
  readonly verdict: /** The trust root is the one that vouches, as it was given. */
    | { readonly kind: 'vouched'; readonly trustRootId: string }
    /** It has no metadata. */
    | { readonly kind: 'nothing_signed' }
    | { readonly kind: 'refused'; readonly message: string };
};

type Options = {
  readonly signatures?: SignaturePolicy | undefined;
  readonly budgets?: () => WorkBudget;
};

/**
 * @param trustRoots tried in turn
 * @throws DepotError `BUNDLE_INVALID`; what a trust root refuses is the verdict
 */
export const judgeBundle = async (
  bytes: Uint8Array,
  trustRoots: readonly TrustRoot[],
  { signatures, budgets = () => createWorkBudget({ monotonicMs: systemClock.monotonicMs }) }: Options = {},
): Promise<JudgedBundle> => {
  const bundle = parseBundle(bytes);
  const { addresses = new Map<ArtifactHash, string>() } = bundle;
  const unsigned = new Set([...bundle.unsigned.keys(), ...addresses.keys()]);
  const files = filesOf(bundle);
  const nothing = { signed: new Set<ArtifactHash>(), bySha512: new Map<ArtifactHash, string>() };
  if (files.size === 0)
    return { unsigned, ...nothing, listed: unsigned, verdict: { kind: 'nothing_signed' } };
  try {
    const { signed, sha512s, trustRootId } = await vouch(files, {
      trustRoots,
      signatures,
      budget: budgets(),
    });
    const bySha512 = new Map([...addresses].filter(([, sha512]) => sha512s.has(sha512)));
    const listed = together(signed, unsigned);
    return {
      ...{ signed, bySha512, listed, unsigned: unsigned.difference(bySha512) },
      verdict: { kind: 'vouched', trustRootId },
    };
  } catch (error) {
    if (!isVerdict(error)) throw error;
    const listed = together(listedBy(files, budgets()), unsigned);
    return { unsigned, ...nothing, listed, verdict: { kind: 'refused', message: error.message } };
  }
};

const vouch = async (
  files: ReadonlyMap<string, Uint8Array>,
  options: Pick<VerifyOptions, 'trustRoots' | 'signatures' | 'budget'>,
): Promise<{
  readonly signed: Hashes;
  /** Of targets without a SHA-256. */
  readonly sha512s: ReadonlySet<string>;
  readonly trustRootId: string;
}> => {
  const { trustRootId, allTargets } = await verifyRepository(sourceOf(files), {
    ...options,
    nowMs: 0, // BJ2
    allowExpired: true,
    allowRollback: true,
  });
  const sha512s = new Set<string>();
  for (const { hashes } of allTargets.values()) if (hashes.sha256 === undefined) sha512s.add(hashes.sha512);
  return { signed: hashesOf(allTargets.values()), sha512s, trustRootId };
};

/** One of both where the other is empty: it crosses threads once, and is kept once. */
const together = (a: Hashes, b: Hashes): Hashes => {
  if (b.size === 0) return a;
  return a.size === 0 ? b : new Set([...a, ...b]);
};

/** @throws DepotError `METADATA_INVALID` if one hash has two lengths (BJ5) */
const hashesOf = (targets: Iterable<ListedTarget>): Hashes => {
  const lengths = new Map<ArtifactHash, number>();
  for (const target of targets) {
    if (!isProven(target)) continue;
    const { hashes, lengthBytes } = target;
    if (hashes.sha256 === undefined) continue; // BJ3
    const known = lengths.get(hashes.sha256) ?? lengthBytes;
    if (known !== lengthBytes) {
      throw new DepotError(
        'METADATA_INVALID',
        `the sha256 ${hashes.sha256} is signed with the lengths ${known} and ${lengthBytes}`,
      );
    }
    lengths.set(hashes.sha256, lengthBytes);
  }
  return new Set(lengths.keys());
};

const NOT_TARGETS = /(?:^|\.)(?:root|timestamp|snapshot)\.json$/;

/** BJ4. Nothing, if a file has not the form of a targets role. */
const listedBy = (files: ReadonlyMap<string, Uint8Array>, budget: WorkBudget): Hashes => {
  const targets = function* () {
    for (const [name, bytes] of files) {
      if (NOT_TARGETS.test(name)) continue;
      yield* parseMetadata('targets', bytes, name, budget.of(name)).signed.targets.values();
    }
  };
  try {
    return hashesOf(targets());
  } catch (error) {
    if (!isVerdict(error)) throw error;
    return new Set();
  }
};

const filesOf = ({ metadata }: Bundle): ReadonlyMap<string, Uint8Array> =>
  new Map([...metadata].map(([name, text]) => [name, Buffer.from(text, 'utf8')]));

const sourceOf = (files: ReadonlyMap<string, Uint8Array>): MetadataSource => ({
  async read(name, maxBytes) {
    const bytes = files.get(name);
    if (bytes !== undefined && bytes.length > maxBytes) {
      const problem = `${name} has ${bytes.length} bytes, but at most ${maxBytes} are expected`;
      throw new DepotError('METADATA_INVALID', problem);
    }
    return bytes;
  },
  list: () => [...files.keys()],
});

const isVerdict = (error: unknown): error is DepotError =>
  isRefusal(error) ||
  (error instanceof DepotError && ['VERIFICATION_LIMIT', 'NO_TRUST_ROOT'].includes(error.code));
