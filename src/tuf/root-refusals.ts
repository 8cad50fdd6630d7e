/** Why no trust root vouches for a repository: which refusal is the answer, and what each of the others was. */
import type { ErrorCode } from '../lib/error-codes.ts';
import { DepotError } from '../lib/errors.ts';
import { isOnlyUnaccepted, unacceptedOf } from './signatures.ts';

export type Refusal = { readonly id: string; readonly error: DepotError };

/** Faults of the metadata under one root, as opposed to those of a source or of the whole verification. */
const OF_METADATA: ReadonlySet<ErrorCode> = new Set([
  'UNTRUSTED_SIGNATURES',
  'ROOT_CHAIN_BROKEN',
  'METADATA_INVALID',
  'METADATA_MISMATCH',
  'METADATA_MISSING',
  'METADATA_EXPIRED',
  'METADATA_ROLLBACK',
]);
/** The other faults mean that this root vouches, or that no root could. */
const BY_OTHER_KEYS: ReadonlySet<ErrorCode> = new Set(['UNTRUSTED_SIGNATURES', 'ROOT_CHAIN_BROKEN']);

export const isRefusal = (error: unknown): error is DepotError =>
  error instanceof DepotError && OF_METADATA.has(error.code);

/** Whether the signer is another one, as far as this root can tell. */
export const isByOtherKeys = ({ code }: DepotError): boolean => BY_OTHER_KEYS.has(code);

/** Each is a sentence of the message. */
const MAX_REFUSALS_SHOWN = 8;

/** @param refusals of every trust root, in the order in which they were tried */
export const noneVouches = (refusals: readonly Refusal[]): DepotError => {
  const [first, ...others] = refusals;
  if (first === undefined)
    return new DepotError(
      'NO_TRUST_ROOT',
      'no trust root is configured; add the root.json of the signers of your releases',
    );
  if (others.length === 0 && !isByOtherKeys(first.error)) return first.error;
  const shown = refusals.slice(0, MAX_REFUSALS_SHOWN).map(({ id, error }) => `; by ${id}: ${error.message}`);
  const more = refusals.length - shown.length;
  return new DepotError(
    codeOf(refusals),
    `no trust root vouches for the repository (tried ${refusals.length})${shown.join('')}${more > 0 ? `; and ${more} more` : ''}`,
    { detail: { ...unacceptedDetail(refusals), trust_roots: refusals.map(({ id }) => id).join(',') } },
  );
};

/** The first that would vouch under another policy: what to do about it is in its detail. */
const unacceptedDetail = (refusals: readonly Refusal[]) => {
  const found = refusals.find(({ error }) => isOnlyUnaccepted(error));
  return found === undefined ? {} : unacceptedOf(found.error);
};

/** A root that has expired says nothing about the repository; a file that no root can read is the repository's fault. */
const codeOf = (refusals: readonly Refusal[]): ErrorCode => {
  const codes = refusals.map(({ error }) => error.code);
  const ofRepository = codes.find(code => !BY_OTHER_KEYS.has(code) && code !== 'METADATA_EXPIRED');
  if (ofRepository !== undefined) return ofRepository;
  if (codes.every(code => code === 'METADATA_EXPIRED')) return 'METADATA_EXPIRED';
  return codes.every(code => code === 'ROOT_CHAIN_BROKEN') ? 'ROOT_CHAIN_BROKEN' : 'UNTRUSTED_SIGNATURES';
};
