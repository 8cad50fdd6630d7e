/**
 * An archive with roots and nothing else: it moves a trust root forward on a site without a network.
 *
 *     entries of an archive ─▶ roots only? ─▶ for each trust root: N+1, N+2, … ─▶ the roots that follow it
 *
 * VR1. A root is accepted as in any repository: signed by the one before it and by itself, without a gap (5.3).
 * VR2. The expiry of the last root does not matter here, since no metadata is accepted under it yet (5.3.10 is checked with
 *      the next release).
 */
import { type Archive, openArchive } from '../archive/archive.ts';
import type { RandomAccessFile } from '../archive/random-access.ts';
import { folderOf, METADATA_FOLDER } from '../archive/release-folders.ts';
import type { ReportedCheck } from '../lib/check-report.ts';
import { systemClock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { MAX_METADATA_BYTES, parseMetadata } from '../tuf/metadata.ts';
import { MAX_ROOTS, type MetadataSource, rootVersions } from '../tuf/repository.ts';
import { dropsOnlineKeys } from '../tuf/rollback.ts';
import { isRefusal, noneVouches, type Refusal } from '../tuf/root-refusals.ts';
import { SPECIFIED_SIGNATURES } from '../tuf/signature-policy.ts';
import { rootsAlone } from '../tuf/trust-policy.ts';
import { createTrustedSet, type TrustedSet } from '../tuf/trusted-set.ts';
import { createWorkBudget } from '../tuf/work-budget.ts';
import { createCheckRecorder } from './recorder.ts';
import type { SuccessorRoot, VerifyOptions, VerifyRequest } from './verified-release.ts';

export type VerifiedRoots<Id extends string = string> = {
  /** Every trust root that the archive continues, or has as its newest already. */
  readonly moves: readonly {
    readonly trustRootId: Id;
    /** Oldest first; none where nothing is new. */
    readonly roots: readonly SuccessorRoot[];
    readonly newestVersion: number;
    /** A key of timestamp or snapshot is in an older root of these, and not in the newest. */
    readonly dropsOnlineKeys: boolean;
  }[];
  readonly checks: readonly ReportedCheck[];
};

/** The versions in an archive that holds roots and nothing else; undefined for any other archive. */
const versionsAlone = (archive: Archive): readonly number[] | undefined => {
  const names = [...archive.entries.keys()];
  const source = folderOf(archive, METADATA_FOLDER);
  const versions = rootVersions(source);
  return versions.length > 0 && versions.length === names.length ? versions : undefined;
};

/** @throws `ROOTS_ONLY`, for a caller that requires a release */
export const requireRelease = (archive: Archive): void => {
  const versions = versionsAlone(archive);
  if (versions === undefined) return;
  throw new DepotError(
    'ROOTS_ONLY',
    `the archive holds no release, only roots (${versions[0]} to ${versions.at(-1)})`,
    { detail: { first: versions[0] ?? 0, last: versions.at(-1) ?? 0 } },
  );
};

/**
 * @throws DepotError `ROOT_CHAIN_BROKEN` naming the gap, `UNTRUSTED_SIGNATURES`, `METADATA_INVALID`, `NO_TRUST_ROOT`
 */
export const verifyRoots = async <Id extends string>(
  file: RandomAccessFile,
  request: Pick<VerifyRequest<Id>, 'trustRoots' | 'nowMs' | 'signatures'>,
  { signal }: VerifyOptions,
): Promise<VerifiedRoots<Id>> => {
  const archive = await openArchive(file, { limits: { maxEntries: MAX_ROOTS } });
  const source = folderOf(archive, METADATA_FOLDER, { signal });
  const newest = rootVersions(source).at(-1) ?? 0;
  const recorder = createCheckRecorder(request.nowMs);
  const budget = createWorkBudget({ monotonicMs: systemClock.monotonicMs });
  const policy = rootsAlone(request.signatures ?? SPECIFIED_SIGNATURES);
  const failures: Refusal[] = [];
  const moves: VerifiedRoots<Id>['moves'][number][] = [];
  for (const trustRoot of request.trustRoots) {
    try {
      const set = recorder.watch(createTrustedSet(trustRoot.bytes, policy, budget), trustRoot.id);
      const known = await source.read(`${set.root().version}.root.json`, MAX_METADATA_BYTES.root);
      const followed = await follow(set, source, newest);
      if (followed.roots.length > 0 || (known !== undefined && isSameRoot(known, trustRoot.bytes)))
        moves.push({ trustRootId: trustRoot.id, newestVersion: set.root().version, ...followed });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      failures.push({ id: trustRoot.id, error });
    }
  }
  if (moves.length > 0) return { moves, checks: recorder.checks() };
  const [failure, ...others] = failures;
  if (failure === undefined) throw recorder.withReport(nothingContinues(newest));
  throw recorder.withReport(others.length === 0 ? failure.error : noneVouches(failures));
};

/** VR1. */
const follow = async (set: TrustedSet, source: MetadataSource, newest: number) => {
  const roots: SuccessorRoot[] = [];
  let drops = false;
  for (let version = set.root().version + 1; version <= newest; version += 1) {
    const before = set.root();
    const rootBytes = await source.read(`${version}.root.json`, MAX_METADATA_BYTES.root);
    if (rootBytes === undefined) throw gap(version - 1, newest);
    set.updateRoot(rootBytes);
    drops ||= dropsOnlineKeys(before, set.root());
    roots.push({ version, rootBytes });
  }
  return { roots, dropsOnlineKeys: drops };
};

/** By the signed content, whatever the bytes of the files. */
const isSameRoot = (a: Uint8Array, b: Uint8Array): boolean =>
  Buffer.compare(parseMetadata('root', a).signedBytes, parseMetadata('root', b).signedBytes) === 0;

const gap = (trusted: number, newest: number): DepotError =>
  new DepotError(
    'ROOT_CHAIN_BROKEN',
    `the chain of roots is broken between ${trusted} and ${newest}: ${trusted + 1}.root.json is missing; ` +
      'include every root from there on',
    { detail: { trusted, newest } },
  );

const nothingContinues = (newest: number): DepotError =>
  new DepotError(
    'NO_TRUST_ROOT',
    `root ${newest} continues no trust root: add it as a trust root if you trust it`,
  );
