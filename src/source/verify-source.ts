/**
 * Verifies a repository in place, to the last byte, as `verifyArchive` does with an archive.
 *
 *     metadata ─▶ release document ─▶ every target, read and hashed ─▶ report
 */
import { createHash } from 'node:crypto';
import { DepotError } from '../lib/errors.ts';
import { readRelease } from '../tuf/release-description.ts';
import { type Target, targetFileNames } from '../tuf/targets.ts';
import { verifyRepository } from '../tuf/workflow.ts';
import { type CheckRecorder, createCheckRecorder } from '../verify/recorder.ts';
import type { VerifiedRelease, VerifyOptions, VerifyRequest } from '../verify/verified-release.ts';
import { documentText, repositoryFacts, trustOptions } from '../verify/verify-archive.ts';
import { readTarget } from './read-target.ts';
import type { RepositorySource } from './source.ts';

export type VerifiedSource = Pick<
  VerifiedRelease,
  'description' | 'targetsSha256' | 'trustRootId' | 'roots' | 'versions' | 'roles' | 'overrides' | 'checks'
>;

/** Throws as `verifyRepository`, `RELEASE_DOCUMENT_INVALID`, `TARGET_…`, and what the source throws; with a report. */
export const verifySource = async (
  source: RepositorySource,
  request: VerifyRequest,
  options: VerifyOptions,
): Promise<VerifiedSource> => {
  const recorder = createCheckRecorder(request.nowMs);
  try {
    return await verifyRecorded(source, request, options, recorder);
  } catch (error) {
    if (options.signal.aborted) throw error;
    throw recorder.withReport(error);
  }
};

const verifyRecorded = async (
  source: RepositorySource,
  request: VerifyRequest,
  { signal, onProgress }: VerifyOptions,
  recorder: CheckRecorder,
): Promise<VerifiedSource> => {
  const repository = await verifyRepository(source.metadata, {
    ...trustOptions(request),
    watch: recorder.watch,
  });
  recorder.overridden(repository.overrides);
  const { allTargets, consistentSnapshot } = repository;
  const read = (fileName: string, maxBytes: number) => readTarget(source, fileName, { maxBytes, signal });
  const description = await recorder.step(() => readRelease(repository, read), documentText);
  const totalBytes = [...allTargets.values()].reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  await recorder.step(
    async () => {
      let doneBytes = 0;
      for (const [name, target] of allTargets) {
        await hashTarget(source, name, target, consistentSnapshot, signal);
        doneBytes += target.lengthBytes;
        onProgress?.({ doneBytes, totalBytes });
      }
    },
    () => `all ${totalBytes} bytes of the ${allTargets.size} targets have their signed lengths and hashes`,
    '5.7.3',
  );
  return { description, ...repositoryFacts(repository), checks: recorder.checks() };
};

const hashTarget = async (
  source: RepositorySource,
  name: string,
  { hashes, lengthBytes }: Target,
  consistentSnapshot: boolean,
  signal: AbortSignal,
): Promise<void> => {
  const detail = { target: name };
  for (const fileName of targetFileNames(name, hashes, consistentSnapshot)) {
    const found = await source.openTarget(fileName, { maxBytes: lengthBytes, signal });
    if (found === undefined) continue;
    await using target = found;
    const algorithm = hashes.sha256 === undefined ? 'sha512' : 'sha256';
    const hash = createHash(algorithm);
    let sizeBytes = 0;
    for await (const chunk of target.chunks) {
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
    }
    if (sizeBytes !== lengthBytes)
      throw new DepotError(
        'TARGET_LENGTH_MISMATCH',
        `the target ${name} has ${sizeBytes} bytes, but ${lengthBytes} were signed`,
        { detail },
      );
    const actual = hash.digest('hex');
    if (actual === hashes[algorithm]) return;
    throw new DepotError(
      'TARGET_HASH_MISMATCH',
      `the target ${name} has the ${algorithm} ${actual}, but ${hashes[algorithm]} was signed`,
      { detail },
    );
  }
  throw new DepotError(
    'TARGET_MISSING',
    `the target ${name} is signed, but ${source.name} does not have it`,
    {
      detail,
    },
  );
};
