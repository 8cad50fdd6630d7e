/**
 * Fetches a repository from a server: all metadata first, then, if the caller wants the release, every target into a
 * directory.
 *
 *     metadata ─▶ verified against the trust roots ─▶ release document ─▶ decide() ─▶ targets, a few at a time
 *
 * FR1. No target is requested before all metadata was verified and the caller wants the release.
 * FR2. The directory has only targets of this release, whole and partial (FT1): after an interruption the next attempt
 *      resumes from it.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleOfRelease } from '../bundle/release-bundle.ts';
import type { ReleaseDescription } from '../core/release.ts';
import { DepotError } from '../lib/errors.ts';
import { createLimiter } from '../lib/limiter.ts';
import { makeDirectories, namingFull } from '../lib/real-disk.ts';
import { requireEntry } from '../lib/require-entry.ts';
import { readRelease, withKnownHashes } from '../tuf/release-description.ts';
import type { MetadataSource } from '../tuf/repository.ts';
import { targetFileNames } from '../tuf/targets.ts';
import { type VerifiedRepository, verifyRepository } from '../tuf/workflow.ts';
import { createCheckRecorder } from '../verify/recorder.ts';
import type { VerifiedRelease, VerifyRequest } from '../verify/verified-release.ts';
import { documentText, repositoryFacts, trustOptions } from '../verify/verify-archive.ts';
import { type FetchedTarget, fetchTarget, type TargetToFetch, targetFileOf } from './fetch-target.ts';
import { createHttpSource, type HttpSource, type HttpSourceOptions } from './http-source.ts';
import { readTarget } from './read-target.ts';

export type FetchRequest<Id extends string = string> = {
  readonly source: Omit<HttpSourceOptions, 'signal'>;
  /** Of this repository alone; created if absent. */
  readonly directory: string;
  readonly trust: Omit<VerifyRequest<Id>, 'limits'>;
  /** Of all targets together. */
  readonly maxBytes: number;
};

/** The facts of the metadata, before any target was fetched. The description has only artifacts whose SHA-256 is signed. */
export type FoundRelease<Id extends string = string> = Pick<
  VerifiedRelease<Id>,
  'targetsSha256' | 'trustRootId' | 'roots' | 'versions' | 'roles' | 'description' | 'checks' | 'bundle'
> & { readonly totalBytes: number; readonly targetCount: number };

/** Everything that an archive of the release is made of. */
export type FetchedRelease = {
  /** By name below `metadata/`. */
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  /** By name below `targets/`. */
  readonly targets: ReadonlyMap<string, FetchedTarget>;
};

export type FetchOptions<Id extends string = string> = {
  readonly signal: AbortSignal;
  /** Whether the release is wanted. */
  readonly decide: (found: FoundRelease<Id>) => Promise<boolean>;
  readonly onProgress: (doneBytes: number) => void;
};

/** At once: enough to hide the round trips of small files, few enough for one server. */
const DOWNLOADS_AT_ONCE = 4;

/** Undefined where the release is not wanted. Throws as `verifyRepository` and `fetchTarget`, with a report. */
export const fetchRepository = async <Id extends string>(
  { source: options, directory, trust, maxBytes }: FetchRequest<Id>,
  { signal, decide, onProgress }: FetchOptions<Id>,
): Promise<FetchedRelease | undefined> => {
  await using source = createHttpSource({ ...options, signal });
  const metadata = new Map<string, Uint8Array>();
  const recorder = createCheckRecorder(trust.nowMs);
  try {
    const repository = await verifyRepository(keeping(source.metadata, metadata), {
      ...trustOptions(trust),
      watch: recorder.watch,
    });
    const read = (fileName: string, most: number) => readTarget(source, fileName, { maxBytes: most, signal });
    const described = await recorder.step(() => readRelease(repository, read), documentText);
    const description = { ...described, artifacts: withKnownHashes(described.artifacts) };
    const wanted = targetsOf(repository);
    const totalBytes = wanted.reduce((sum, { target }) => sum + target.lengthBytes, 0);
    if (totalBytes > maxBytes) throw tooLarge(description, totalBytes, maxBytes);
    const found = {
      ...repositoryFacts(repository),
      description,
      totalBytes,
      targetCount: wanted.length,
      bundle: bundleOfRelease(description, metadata, repository.allTargets),
    };
    if (!(await decide({ ...found, checks: recorder.checks() }))) return undefined;
    const targets = await recorder.step(
      () => fetchTargets(source, directory, wanted, { signal, onProgress }),
      () => `all ${totalBytes} bytes of the targets have their signed hashes`,
      '5.7.3',
    );
    return { metadata, targets };
  } catch (error) {
    if (signal.aborted) throw error;
    throw recorder.withReport(error);
  }
};

const keeping = (inner: MetadataSource, kept: Map<string, Uint8Array>): MetadataSource => ({
  ...inner,
  async read(fileName, maxBytes) {
    const bytes = await inner.read(fileName, maxBytes);
    if (bytes !== undefined) kept.set(fileName, bytes);
    return bytes;
  },
});

const targetsOf = ({ allTargets, consistentSnapshot }: VerifiedRepository): readonly TargetToFetch[] =>
  Array.from(allTargets, ([name, target]) => ({
    name,
    target,
    fileNames: targetFileNames(name, target.hashes, consistentSnapshot),
  }));

/** FR2. Two targets of one hash are one download. */
const fetchTargets = async (
  source: HttpSource,
  directory: string,
  wanted: readonly TargetToFetch[],
  { signal, onProgress }: Pick<FetchOptions, 'signal' | 'onProgress'>,
): Promise<ReadonlyMap<string, FetchedTarget>> => {
  const files = new Map(wanted.map(each => [targetFileOf(each.target), each]));
  await namingFull(directory, async () => {
    await makeDirectories(directory, { mode: 0o700 });
    await removeOthers(directory, files);
  });
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const limiter = createLimiter(DOWNLOADS_AT_ONCE);
  let doneBytes = 0;
  const onBytes = (bytes: number): void => {
    doneBytes += bytes;
    onProgress(doneBytes);
  };
  const fetched = new Map<string, FetchedTarget>();
  const outcomes = await Promise.allSettled(
    Array.from(files, ([file, each]) =>
      limiter
        .run(() => fetchTarget(source, directory, each, { signal: either, onBytes }), { signal: either })
        .then(target => fetched.set(file, target))
        .catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
    ),
  );
  signal.throwIfAborted();
  if (outcomes.some(({ status }) => status === 'rejected')) throw failed.signal.reason;
  return new Map(
    wanted.map(({ fileNames: [fileName], target }) => [
      fileName,
      requireEntry(fetched, targetFileOf(target), 'the fetched target'),
    ]),
  );
};

const removeOthers = async (directory: string, files: ReadonlyMap<string, unknown>): Promise<void> => {
  for (const name of await readdir(directory))
    if (!files.has(name.replace(/\.(part|etag)$/, ''))) await rm(join(directory, name), { recursive: true });
};

const tooLarge = ({ systemVersion }: ReleaseDescription, totalBytes: number, maxBytes: number): DepotError =>
  new DepotError(
    'SOURCE_TOO_LARGE',
    `release ${systemVersion} has ${totalBytes} bytes of targets, more than the ${maxBytes} that are allowed from this source`,
    { detail: { total_bytes: totalBytes, limit_bytes: maxBytes } },
  );
