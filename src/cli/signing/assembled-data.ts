/** A release archive that was written, in the wire's names: stable for scripts. */
import { plural } from '../../core/facts/phrase.ts';
import type { AssembledRelease } from '../../signing/assemble.ts';
import type { SigningKey } from '../../signing/signing-keys.ts';
import { descriptionData } from '../output/description-data.ts';
import { formatBytes } from '../output/quantities.ts';

export const assembledData = (
  { path, sizeBytes, sha256, release }: AssembledRelease,
  keys: readonly SigningKey[],
) => ({
  path,
  size_bytes: sizeBytes,
  sha256,
  ...descriptionData(release),
  keys: keys.map(({ keyId, type }) => ({ key_id: keyId, type })),
  reproducible: isReproducible(keys),
});

export const assembledLines = (
  name: string,
  { sizeBytes, sha256, release }: AssembledRelease,
  keys: readonly SigningKey[],
): readonly string[] => [
  `${name}: release ${release.systemVersion}, ` +
    `${plural(release.artifacts.length, 'artifact')}, ${formatBytes(sizeBytes)}`,
  `SHA-256 ${sha256}`,
  ...keys.map(({ keyId, type }) => `signed by key ${keyId} (${type})`),
  ...(isReproducible(keys)
    ? []
    : ['ECDSA and RSA signatures are random: the same input gives different bytes each time']),
];

/** Signatures of the other schemes contain random numbers. */
const isReproducible = (keys: readonly SigningKey[]): boolean => keys.every(({ type }) => type === 'ed25519');
