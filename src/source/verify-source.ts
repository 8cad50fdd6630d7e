/**
 * Verifies a repository in place, to the last byte, as `verifyArchive` does with an archive.
 *
 *     metadata ─▶ release document ─▶ every target, read and hashed ─▶ report
 */
import { createHash } from 'node:crypto';
import { ArtifactHash } from '../core/ids.ts';
import { DepotError } from '../lib/errors.ts';
import { readRelease, withHashes } from '../tuf/release-description.ts';
import { type Target, targetFileNames } from '../tuf/targets.ts';
import { verifyRepository } from '../tuf/workflow.ts';
import { type CheckRecorder, createCheckRecorder } from '../verify/recorder.ts';
import { leftOutNote } from '../verify/report.ts';
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
  const described = await recorder.step(() => readRelease(repository, read), documentText);
  const sha256Of = new Map<string, ArtifactHash>();
  const totalBytes = [...allTargets.values()].reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  await recorder.step(
    async () => {
      let doneBytes = 0;
      for (const [name, target] of allTargets) {
        sha256Of.set(name, await hashTarget(source, name, target, consistentSnapshot, signal));
        doneBytes += target.lengthBytes;
        onProgress?.({ doneBytes, totalBytes });
      }
    },
    () => `all ${totalBytes} bytes of the ${allTargets.size} targets have their signed lengths and hashes`,
    '5.7.3',
  );
  if (repository.leftOut.length > 0) recorder.note(leftOutNote(repository.leftOut));
  const description = withHashes(described, sha256Of);
  return { description, ...repositoryFacts(repository), checks: recorder.checks() };
};

const hashTarget = async (
  source: RepositorySource,
  name: string,
  { hashes, lengthBytes }: Target,
  consistentSnapshot: boolean,
  signal: AbortSignal,
): Promise<ArtifactHash> => {
  const detail = { target: name };
  for (const fileName of targetFileNames(name, hashes, consistentSnapshot)) {
    const found = await source.openTarget(fileName, { maxBytes: lengthBytes, signal });
    if (found === undefined) continue;
    await using target = found;
    // The SHA-256 addresses the bytes, signed or not.
    const digests = { sha256: createHash('sha256'), sha512: createHash('sha512') };
    let sizeBytes = 0;
    for await (const chunk of target.chunks) {
      digests.sha256.update(chunk);
      if (hashes.sha512 !== undefined) digests.sha512.update(chunk);
      sizeBytes += chunk.byteLength;
    }
    if (sizeBytes !== lengthBytes)
      throw new DepotError(
        'TARGET_LENGTH_MISMATCH',
        `the target ${name} has ${sizeBytes} bytes, but ${lengthBytes} were signed`,
        { detail },
      );
    const sha256 = ArtifactHash.parse(digests.sha256.digest('hex'));
    const actual = { sha256, sha512: digests.sha512.digest('hex') };
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const signed = hashes[algorithm];
      if (signed === undefined || signed === actual[algorithm]) continue;
      throw new DepotError(
        'TARGET_HASH_MISMATCH',
        `the target ${name} has the ${algorithm} ${actual[algorithm]}, but ${signed} was signed`,
        { detail },
      );
    }
    return sha256;
  }
  throw new DepotError(
    'TARGET_MISSING',
    `the target ${name} is signed, but ${source.name} does not have it`,
    {
      detail,
    },
  );
};
