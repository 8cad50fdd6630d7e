/**
 * Which release a repository is, where its signers give no name to it: by all the metadata that names its targets.
 *
 *     targets.json, every delegated role, the keys whose signatures count ─▶ metadataDigest() and derivedVersion()
 *
 * RLI1. A change of any role that names targets is another release, also under an unchanged targets.json.
 * RLI2. The repositories of two signers are never one release, whatever their version numbers are; and two repositories of one signer
 *      are only if every role of them says the same.
 * RLI3. Later versions of one repository are later as semantic versions too: by the version of targets, then by those of delegated roles.
 */
import { createHash } from 'node:crypto';
import { ArtifactHash } from '../core/ids.ts';
import { DERIVED_VERSION_PREFIX } from '../core/release.ts';
import type { Metadata } from './metadata.ts';
import { ALL_SIGNATURES } from './signature-policy.ts';
import { validKeyIds } from './signatures.ts';
import { signersOf } from './trusted-set.ts';
import type { VerifiedRepository } from './workflow.ts';

type TargetsRoles = Pick<VerifiedRepository, 'targets' | 'delegated'>;

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

const byName = (roles: readonly Metadata<'targets'>[]): readonly Metadata<'targets'>[] =>
  roles.toSorted((a, b) => (a.name < b.name ? -1 : 1));

/** Of targets.json as it is; with delegated roles, of the list of all their files (RLI1). */
export const metadataDigest = ({ targets, delegated }: TargetsRoles): ArtifactHash => {
  if (delegated.length === 0) return ArtifactHash.parse(sha256(targets.bytes));
  const files = [targets, ...byName(delegated)].map(({ name, bytes }) => [name, sha256(bytes)]);
  return ArtifactHash.parse(sha256(JSON.stringify(files)));
};

/** Enough to tell the repositories of one fleet apart; the letter before it keeps it from being a number. */
const DIGEST_DIGITS = 10;

/** `0.0.0-targets.7.s0123456789`, or `0.0.0-targets.7.12.s0123456789` where delegated roles have versions that sum up to 12. */
export const derivedVersion = (repository: TargetsRoles & Pick<VerifiedRepository, 'newestRoot'>): string => {
  const { targets, delegated } = repository;
  const sum = delegated.reduce((total, { signed }) => total + BigInt(signed.version), 0n);
  const numbers = delegated.length === 0 ? [targets.signed.version] : [targets.signed.version, sum];
  return `${DERIVED_VERSION_PREFIX}${numbers.join('.')}.s${identityDigest(repository).slice(0, DIGEST_DIGITS)}`;
};

/**
 * By what is signed and by the public keys that signed it, whatever their ids and the white space of the files (RLI2). Of keys of
 * every scheme: one repository is one release for two verifiers of different policies.
 */
const identityDigest = ({
  newestRoot,
  targets,
  delegated,
}: TargetsRoles & Pick<VerifiedRepository, 'newestRoot'>): string => {
  const signers = signersOf(newestRoot.signed, 'targets', ALL_SIGNATURES);
  const keys = validKeyIds(signers, targets).flatMap(keyId => {
    const key = signers.keys.get(keyId);
    return key?.isUsable === true ? [key.identity] : [];
  });
  const roles = [targets, ...byName(delegated)].map(({ name, signedBytes }) => [name, sha256(signedBytes)]);
  return sha256(JSON.stringify([keys.sort(), roles]));
};
