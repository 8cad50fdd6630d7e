/**
 * Thresholds: whether enough of a role's keys signed a file.
 *
 * The count is of distinct public keys with a valid signature (KY1), each looked up by the id under which the
 * role lists it. Signatures by other keys, and invalid ones beside enough valid ones, change nothing.
 */
import { DepotError } from '../lib/errors.ts';
import type { Metadata } from './metadata.ts';
import type { Keys, RoleKeys } from './role-keys.ts';
import { type Spend, STEPS, uncounted } from './work-budget.ts';

/** The keys that count: those of a root for the top-level roles, those of a targets role for its delegations. */
export type Signers = RoleKeys & {
  readonly keys: Keys;
  /** The file with these keys, for errors: `root version 3`. */
  readonly saidBy: string;
};

/** The ids of the keys whose signatures count, one for each key (KY1). */
export const validKeyIds = (
  { keys, keyIds }: Pick<Signers, 'keys' | 'keyIds'>,
  metadata: Metadata,
  spend: Spend = uncounted,
): readonly string[] => {
  const valid = new Map<string, string>();
  for (const keyId of keyIds) {
    const key = keys.get(keyId);
    const signature = metadata.signatures.get(keyId);
    if (key === undefined || signature === undefined || valid.has(key.identity)) continue;
    spend(key.verifySteps + metadata.signedBytes.length * STEPS.signedByte);
    if (key.verify(metadata.signedBytes, signature)) valid.set(key.identity, keyId);
  }
  return [...valid.values()];
};

/** @throws DepotError `UNTRUSTED_SIGNATURES`, naming the role, the count and the expected key ids */
export const requireThreshold = (signers: Signers, metadata: Metadata, spend?: Spend): void => {
  const { keyIds, threshold, saidBy } = signers;
  const valid = validKeyIds(signers, metadata, spend);
  if (valid.length >= threshold) return;
  const { name, signed, signatures } = metadata;
  throw new DepotError(
    'UNTRUSTED_SIGNATURES',
    `the ${name} metadata (version ${signed.version}) has valid signatures by ${valid.length} of the ` +
      `${threshold} keys required by ${saidBy}; expected ${listIds(keyIds)}, signed by ${listIds([...signatures.keys()])}`,
    { detail: { role: name, threshold, valid: valid.length } },
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
