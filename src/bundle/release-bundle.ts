/** The bundle of a release: of its verified metadata, or, without any, of what was recorded of it. */
import type { ArtifactHash } from '../core/ids.ts';
import type { ReleaseArtifact, ReleaseDescription } from '../core/release.ts';
import type { ReleaseBundle } from '../core/release-trust.ts';
import type { Target } from '../tuf/targets.ts';
import { encodeBundle } from './bundle.ts';

/** Sleds have the roots already, and get new ones as chains: so the bundle of a release does not depend on the root that vouched for it. */
const ROOT_FILE = /^\d+\.root\.json$/;

/**
 * @param files that its verification read, by name
 * @param targets that it found
 * @returns undefined where it would be too large
 */
export const bundleOfRelease = (
  { systemVersion, artifacts }: Pick<ReleaseDescription, 'systemVersion' | 'artifacts'>,
  files: ReadonlyMap<string, Uint8Array>,
  targets: ReadonlyMap<string, Target>,
): ReleaseBundle | undefined => {
  const signed = new Set(Array.from(targets.values(), ({ hashes }) => hashes.sha256));
  const others = artifacts.filter(({ sha256 }) => !signed.has(sha256));
  const addresses = new Map<ArtifactHash, string>();
  for (const { sha256, targetName } of others) {
    const sha512 = targets.get(targetName)?.hashes.sha512;
    if (sha512 !== undefined) addresses.set(sha256, sha512);
  }
  const unsigned = sizesOf(others.filter(({ sha256 }) => !addresses.has(sha256)));
  const metadata = new Map<string, string>();
  for (const [name, bytes] of files)
    if (!ROOT_FILE.test(name)) metadata.set(name, Buffer.from(bytes).toString('utf8'));
  const encoded = encodeBundle({ systemVersion, metadata, unsigned, addresses });
  return encoded && { ...encoded, kind: unsigned.size === 0 ? 'signed' : 'partly' };
};

/** Of a release without metadata: every artifact of it is unsigned. */
export const bundleOfArtifacts = ({
  systemVersion,
  artifacts,
}: Pick<ReleaseDescription, 'systemVersion' | 'artifacts'>): ReleaseBundle => {
  const encoded = encodeBundle({ systemVersion, metadata: new Map(), unsigned: sizesOf(artifacts) });
  if (encoded === undefined) throw new Error('a list of artifacts exceeds the limit of a bundle');
  return { ...encoded, kind: 'unsigned' };
};

const sizesOf = (artifacts: readonly Pick<ReleaseArtifact, 'sha256' | 'sizeBytes'>[]) =>
  new Map(artifacts.map(({ sha256, sizeBytes }) => [sha256, sizeBytes]));
