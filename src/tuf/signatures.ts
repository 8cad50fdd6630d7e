/**
 * Thresholds: whether enough of a role's keys signed a file.
 *
 * The count is of distinct public keys with a valid signature (K1), each looked up by the id under which the
 * role lists it. Signatures by other keys, and invalid ones beside enough valid ones, change nothing.
 */
import { DepotError } from '../lib/errors.ts';
import type { Metadata, Root, TopLevelRole } from './metadata.ts';

/** @throws DepotError `UNTRUSTED_SIGNATURES`, naming the role, the count and the key ids that were asked for */
export const requireThreshold = (root: Root, metadata: Metadata<TopLevelRole>): void => {
  const { keyIds, threshold } = root.roles[metadata.role];
  const signers = new Set<string>();
  for (const keyId of keyIds) {
    const key = root.keys.get(keyId);
    const signature = metadata.signatures.get(keyId);
    if (key === undefined || signature === undefined || signers.has(key.identity)) continue;
    if (key.verify(metadata.signedBytes, signature)) signers.add(key.identity);
  }
  if (signers.size >= threshold) return;
  const signed = [...metadata.signatures.keys()];
  throw new DepotError(
    'UNTRUSTED_SIGNATURES',
    `the ${metadata.role} metadata (version ${metadata.signed.version}) has valid signatures by ${signers.size} of the ` +
      `${threshold} keys required by root version ${root.version}; expected ${listIds(keyIds)}, signed by ${listIds(signed)}`,
    { detail: { role: metadata.role, threshold, valid: signers.size } },
  );
};

const MAX_LISTED = 4;
const ID_LENGTH = 16;

/** Key ids for a message: the first few, cut to what a person compares. */
const listIds = (ids: readonly string[]): string => {
  if (ids.length === 0) return 'nobody';
  const shown = ids
    .slice(0, MAX_LISTED)
    .map(id => (id.length > ID_LENGTH ? `${id.slice(0, ID_LENGTH)}…` : id));
  return [...shown, ...(ids.length > MAX_LISTED ? [`${ids.length - MAX_LISTED} more`] : [])].join(', ');
};
