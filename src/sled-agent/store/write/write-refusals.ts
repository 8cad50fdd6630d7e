/** Why a write is refused, in words and numbers. */
import type { ArtifactHash, Generation } from '../../../core/ids.ts';
import { DepotError } from '../../../lib/errors.ts';

export const notInConfig = (sha256: ArtifactHash, generation: Generation): DepotError =>
  new DepotError('ARTIFACT_NOT_IN_CONFIG', `the config of generation ${generation} does not list ${sha256}`, {
    detail: { sha256, generation },
  });

export const otherGeneration = (offered: Generation, held: Generation): DepotError =>
  new DepotError(
    'ARTIFACT_GENERATION',
    `the write is for generation ${offered}, and this sled is at ${held}`,
    { detail: { offered, held } },
  );

export const otherSet = (generation: Generation): DepotError =>
  new DepotError(
    'ARTIFACT_GENERATION',
    `the write is for another wanted set of generation ${generation} than that of this sled`,
    { detail: { offered: generation, held: generation } },
  );

/** Bytes of another length cannot have the hash. */
export const wrongLength = (sha256: ArtifactHash, expectedBytes: number, actualBytes: number): DepotError =>
  new DepotError(
    'ARTIFACT_HASH_MISMATCH',
    `${sha256} has ${expectedBytes} bytes, and ${actualBytes} were announced or sent`,
    { detail: { sha256, expectedBytes, actualBytes } },
  );

export const wrongHash = (sha256: ArtifactHash, actual: string, receivedBytes: number): DepotError =>
  new DepotError(
    'ARTIFACT_HASH_MISMATCH',
    `the ${receivedBytes} bytes sent for ${sha256} have hash ${actual}`,
    { detail: { expected: sha256, actual, receivedBytes } },
  );

/** @param sender as messages name it */
export const wrongPrefix = (
  sha256: ArtifactHash,
  { verifiedBytes, differsAt }: { readonly verifiedBytes: number; readonly differsAt: number },
  sender: string,
): DepotError =>
  new DepotError(
    'ARTIFACT_PREFIX_MISMATCH',
    `the first ${differsAt} bytes that ${sender} sent for ${sha256} do not have the digest that is known for them; the first ${verifiedBytes} do`,
    { detail: { sha256, verified_bytes: verifiedBytes, differs_at: differsAt } },
  );

export const tooLarge = (sha256: ArtifactHash, limitBytes: number): DepotError =>
  new DepotError(
    'BODY_TOO_LARGE',
    `${sha256} is longer than the limit of ${limitBytes} bytes for an artifact`,
    { detail: { sha256, limitBytes } },
  );
