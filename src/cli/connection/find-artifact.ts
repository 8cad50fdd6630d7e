/** Finds an artifact by its SHA-256, or by a prefix of it. */
import { type ArtifactHash, isArtifactHash } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { usageError } from '../output/failure.ts';
import type { Depot } from './depot-client.ts';

/** A shorter prefix is too ambiguous. */
const MIN_PREFIX_CHARS = 6;

/** @throws `USAGE` for a text that is not a hash; `NOT_FOUND` unless exactly one wanted artifact begins with it */
export const findArtifact = async (depot: Depot, text: string): Promise<ArtifactHash> => {
  const prefix = text.toLowerCase();
  if (isArtifactHash(prefix)) return prefix;
  if (!/^[0-9a-f]+$/.test(prefix) || prefix.length < MIN_PREFIX_CHARS) {
    throw usageError(`${text} is not a SHA-256`, `give at least ${MIN_PREFIX_CHARS} of its hex digits`);
  }
  const found = (await depot.allArtifacts()).filter(artifact => artifact.sha256.startsWith(prefix));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only.sha256;
  throw new DepotError(
    'NOT_FOUND',
    `${found.length === 0 ? 'no wanted artifact has' : `${found.length} artifacts have`} a SHA-256 that starts with ${prefix}`,
    {
      detail: { remedy: 'tuf-depot artifact list shows them; for an unwanted artifact give all 64 digits' },
    },
  );
};
