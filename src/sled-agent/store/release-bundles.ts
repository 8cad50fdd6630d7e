/**
 * The bundles of releases on the datasets of a sled, and what they admit (T3); the rules are in `core/release-admission.ts`.
 *
 *     PUT ─▶ named by the config? ─▶ hash ─▶ judged ─▶ release-metadata-SHA256.json on every dataset ─▶ counts ─▶ acknowledge
 *     start, a dataset returns ─▶ files ─▶ judged again ─▶ counts
 *     config, pins or statements change ─▶ settled at once; what was not admitted is judged again in the background
 *
 * RLB1. A bundle is durable before it is acknowledged and counts; one dataset is enough, as for the ledger.
 * RLB2. The verdict is never read from a disk: after a start each bundle is judged again, and serving waits for that, for no Nexus.
 * RLB3. What a bundle does not admit is withheld, not deleted: files, waits and the scrub are as before.
 * RLB4. A bundle stays while the config names it, or it is admitted and a file that it lists is here; the record of its admission goes with it.
 * RLB5. Without an identity nothing is pinned, and nothing is withheld.
 * RLB6. What no config names and nothing admits does not stay, whatever it lists; and what only the word of a Nexus admits makes room for
 *      what a config names. So a Nexus that lied leaves no disk and no memory full of metadata.
 */
import { bundleDigest } from '../../bundle/bundle.ts';
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import {
  type Admission,
  type AdmittedBy,
  type BundleVerdict,
  judgeAdmission,
  withheldReason,
} from '../../core/release-admission.ts';
import type { BundleReport, OfferedRelease } from '../../core/release-trust.ts';
import type { Disk } from '../../lib/disk.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { type BundleCopies, createBundleCopies } from './bundle-copies.ts';
import type { Dataset } from './dataset/dataset.ts';
import { createKeyedLock } from './locks.ts';
import type { ReleaseBundles, ReleaseReport, ReleaseTrust } from './release-trust.ts';
import { createSha512Proofs, type Sha512Proofs } from './sha512-proofs.ts';

type Deps = {
  readonly disk: Disk;
  readonly datasets: readonly Dataset[];
  readonly log: Logger;
  readonly trust: ReleaseTrust | undefined;
  readonly maxBundlesBytes?: number | undefined;
  /** Of the config in force; undefined if its Nexus names none. */
  readonly releases: () => readonly OfferedRelease[] | undefined;
};

/** As many threads: one is idle while it reads. */
const JUDGED_AT_ONCE = 2;

export const createReleaseBundles = (deps: Deps): ReleaseBundles =>
  deps.trust === undefined ? WITHOUT_TRUST : createWithTrust(deps, deps.trust);

/** RLB5 */
const WITHOUT_TRUST: ReleaseBundles = {
  isWithheld: () => false,
  awaitedSha512: () => undefined,
  learned: () => undefined,
  withheld: () => undefined,
  async put() {
    throw new DepotError(
      'NO_ARTIFACT_CONFIG',
      'this sled has no identity, and keeps no metadata of releases',
    );
  },
  load: async () => undefined,
  settle: () => undefined,
  repair: async () => undefined,
  report: () => ({}),
  [Symbol.asyncDispose]: async () => undefined,
};

/** The mutable state. */
type Keeping = Deps & {
  readonly trust: ReleaseTrust;
  readonly copies: BundleCopies;
  readonly verdicts: Map<string, BundleVerdict>;
  readonly proofs: Sha512Proofs;
  readonly signal: AbortSignal;
  admission: Admission;
};

const createWithTrust = (deps: Deps, trust: ReleaseTrust): ReleaseBundles => {
  const stop = new AbortController();
  const queue = createKeyedLock();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => queue('bundles', work);
  const copies = createBundleCopies(deps);
  const verdicts = new Map<string, BundleVerdict>();
  const admission: Admission = { bundles: [], admits: () => false, bySha512: new Map() };
  const proofs = createSha512Proofs(deps);
  const keeping: Keeping = { ...deps, trust, copies, verdicts, proofs, signal: stop.signal, admission };
  const isWithheld = (sha256: ArtifactHash) => trust.requiresSigned() && !keeping.admission.admits(sha256);
  const inBackground = (work: () => Promise<void>): void =>
    void inTurn(work).catch(err => {
      if (!stop.signal.aborted) deps.log.error({ err }, 'judging the metadata of releases again failed');
    });
  const awaitedSha512 = (sha256: ArtifactHash) =>
    isWithheld(sha256) && proofs.of(sha256) === undefined
      ? keeping.admission.bySha512.get(sha256)
      : undefined;
  const prove = () => proofs.read(keeping.admission.bySha512.keys(), { signal: stop.signal });
  const watch = trust.onChange(() => {
    settle(keeping);
    inBackground(() => judgeAgain(keeping).then(prove));
  });
  return {
    isWithheld,
    awaitedSha512,
    learned: proofs.learned,
    withheld: sha256 => (isWithheld(sha256) ? reasonOf(keeping, sha256) : undefined),
    async put(bundle, bytes) {
      await inTurn(() => put(keeping, bundle, bytes));
      await inTurn(prove);
    },
    async load() {
      await inTurn(() => load(keeping));
      await inTurn(prove); // SHP2
    },
    settle() {
      settle(keeping);
      if (keeping.admission.bySha512.size > 0) inBackground(prove);
    },
    repair: isCertain => inTurn(() => repairBundles(keeping, isCertain)),
    report: config =>
      reportOf(keeping, config, sha256 => isWithheld(sha256) && awaitedSha512(sha256) === undefined),
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]();
      stop.abort(new DepotError('SHUTTING_DOWN', 'this sled agent is stopping'));
      await inTurn(async () => undefined);
    },
  };
};

const reasonOf = ({ admission, releases, proofs }: Keeping, sha256: ArtifactHash): string => {
  if (!admission.bySha512.has(sha256)) return withheldReason(admission, releases() !== undefined);
  return proofs.of(sha256) === undefined
    ? 'only its SHA-512 is signed, and this sled has not read its bytes yet'
    : 'only its SHA-512 is signed, and its bytes have another one';
};

/** Without a wait, so that no artifact is judged by what counted before. */
const settle = (keeping: Keeping): void => {
  const { trust, verdicts, releases, copies } = keeping;
  const facts = trust.facts();
  const before = new Map(keeping.admission.bundles.map(each => [each.bundle, each.state]));
  keeping.admission = judgeAdmission({
    ...facts,
    releases: releases() ?? [],
    kept: copies.list(),
    verdictOf: bundle => verdicts.get(bundle),
    sha512Of: keeping.proofs.of,
  });
  keeping.proofs.retain(keeping.admission.bySha512);
  const news = new Map<string, AdmittedBy>();
  for (const { bundle, by, isSigned, state, systemVersion, reason } of keeping.admission.bundles) {
    const recorded = facts.record.get(bundle);
    if (isSigned && recorded !== 'signature') news.set(bundle, 'signature');
    if (!isSigned && by === 'word' && recorded === undefined) news.set(bundle, 'word');
    if (before.get(bundle) !== state)
      keeping.log.info(
        { bundle, system_version: systemVersion, state, by, reason },
        'metadata of a release judged',
      );
  }
  if (news.size > 0) trust.recordAdmitted(news);
};

const put = async (keeping: Keeping, bundle: string, bytes: Uint8Array): Promise<void> => {
  const { releases, copies, verdicts, signal } = keeping;
  signal.throwIfAborted();
  if (!(releases() ?? []).some(each => each.bundle === bundle))
    throw new DepotError('NO_ARTIFACT_CONFIG', `the config of this sled names no bundle ${bundle}`);
  const actual = bundleDigest(bytes);
  if (actual !== bundle)
    throw new DepotError(
      'BUNDLE_INVALID',
      `the ${bytes.length} bytes of the bundle ${bundle} have the hash ${actual}`,
    );
  const verdict = verdicts.get(bundle) ?? (await judgeStored(keeping, bundle, bytes));
  if (verdict.isInvalid) {
    verdicts.set(bundle, verdict);
    settle(keeping);
    throw new DepotError('BUNDLE_INVALID', verdict.problem ?? 'it is no bundle');
  }
  if (!copies.hasRoom(bundle, bytes.length)) await makeRoom(keeping);
  await copies.write(bundle, bytes); // RLB1
  verdicts.set(bundle, verdict);
  settle(keeping);
};

/** RLB6 */
const makeRoom = async ({ admission, copies, verdicts }: Keeping): Promise<void> => {
  for (const { bundle, systemVersion, by, isSigned } of admission.bundles) {
    if (systemVersion !== undefined || isSigned || by === 'statement') continue;
    await copies.remove(bundle);
    verdicts.delete(bundle);
  }
};

/** What is no bundle is refused by its verdict, so that it is not asked for again. */
const judgeStored = async (
  { trust, signal }: Keeping,
  bundle: string,
  bytes: Uint8Array,
): Promise<BundleVerdict> => {
  try {
    return await trust.judge(bundle, bytes, { signal });
  } catch (error) {
    if (!(error instanceof DepotError) || error.code !== 'BUNDLE_INVALID') throw error;
    return { root: undefined, problem: error.message, isInvalid: true, ...NOTHING_LISTED };
  }
};

const NOTHING_LISTED = {
  signed: new Set<ArtifactHash>(),
  unsigned: new Set<ArtifactHash>(),
  listed: new Set<ArtifactHash>(),
};

const load = async (keeping: Keeping): Promise<void> => {
  const { copies, verdicts } = keeping;
  const unjudged = copies.list().filter(bundle => !verdicts.has(bundle));
  await judgeEach(keeping, [...unjudged, ...(await copies.find())], bundle => !verdicts.has(bundle));
};

/** Pins, keys or statements have changed: what is not admitted may be now. */
const judgeAgain = (keeping: Keeping): Promise<void> => {
  const { admission, copies } = keeping;
  const here = new Set(copies.list());
  const others = admission.bundles.filter(({ bundle, by }) => by === undefined && here.has(bundle));
  return judgeEach(
    keeping,
    others.map(({ bundle }) => bundle),
  );
};

/** @param isDue whether one that has a whole file is judged: the verdict of a file that returns stays */
const judgeEach = async (
  keeping: Keeping,
  bundles: readonly string[],
  isDue: (bundle: string) => boolean = () => true,
): Promise<void> => {
  const { verdicts, copies, log, signal } = keeping;
  const waiting = [...bundles];
  const work = async (): Promise<void> => {
    for (let bundle = waiting.shift(); bundle !== undefined && !signal.aborted; bundle = waiting.shift()) {
      try {
        const bytes = await copies.read(bundle);
        if (!isDue(bundle)) continue;
        if (bytes !== undefined) verdicts.set(bundle, await judgeStored(keeping, bundle, bytes));
        // Its disks are away: what counted before counts no longer, and it is judged when it is read, or sent, again.
        else verdicts.delete(bundle);
      } catch (err) {
        if (!signal.aborted) log.error({ err, bundle }, 'the metadata of a release cannot be judged');
      }
    }
  };
  await Promise.all(Array.from({ length: JUDGED_AT_ONCE }, work));
  settle(keeping);
};

const repairBundles = async (keeping: Keeping, isCertain: boolean): Promise<void> => {
  const { copies, verdicts, trust, datasets } = keeping;
  const releases = keeping.releases();
  await copies.repair();
  // A sled in doubt may have dropped a config that it has to follow again; a Nexus that names nothing decides nothing.
  if (!isCertain || releases === undefined) return;
  const named = new Set(releases.map(({ bundle }) => bundle));
  const others = copies.list().filter(bundle => !named.has(bundle));
  const files = others.length === 0 ? [] : await filesOn(datasets);
  const standings = keeping.admission.bundles.filter(({ by }) => by !== undefined);
  const admitted = new Set(standings.map(({ bundle }) => bundle));
  const unneeded = others.filter(bundle => {
    const listed = verdicts.get(bundle)?.listed;
    return listed === undefined || !admitted.has(bundle) || !files.some(sha256 => listed.has(sha256));
  });
  for (const bundle of unneeded) await copies.remove(bundle);
  const stays = new Set([...named, ...copies.list()]);
  for (const bundle of [...verdicts.keys()]) if (!stays.has(bundle)) verdicts.delete(bundle); // of no file too
  const gone = [...trust.facts().record.keys()].filter(bundle => !stays.has(bundle));
  if (gone.length > 0) trust.forget(gone);
  if (unneeded.length > 0) settle(keeping);
};

const filesOn = async (datasets: readonly Dataset[]): Promise<readonly ArtifactHash[]> => {
  const files = new Set<ArtifactHash>();
  for (const dataset of datasets) {
    if (!dataset.isReadable()) continue;
    try {
      for (const sha256 of (await dataset.scan()).artifacts.keys()) files.add(sha256);
    } catch (error) {
      dataset.reportFailure(error, 'read its directory');
    }
  }
  return [...files];
};

const reportOf = (
  { trust, admission, copies }: Keeping,
  config: ArtifactConfig | undefined,
  isWithheld: ReleaseBundles['isWithheld'],
): ReleaseReport => {
  const here = new Set(copies.list());
  // It counts until a restart, which would not find it: so a Nexus is asked for it before.
  const isLost = (bundle: string) => !here.has(bundle);
  const bundles = admission.bundles.flatMap(
    ({ bundle, systemVersion, state, reason, cause }): BundleReport[] => {
      if (systemVersion === undefined) return [];
      if (state === 'admitted' && isLost(bundle)) return [{ sha256: bundle, state: 'missing', reason: LOST }];
      return [
        {
          ...{ sha256: bundle, state },
          ...(cause !== undefined && { cause }),
          ...(reason !== undefined && { reason }),
        },
      ];
    },
  );
  return {
    requiresSigned: trust.requiresSigned(),
    bundles,
    withheld: new Set([...(config?.artifacts.keys() ?? [])].filter(isWithheld)),
    trust: trust.report(),
  };
};

const LOST = 'no disk of this sled has its metadata any more; a Nexus sends it again in a round';
