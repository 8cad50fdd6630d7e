/**
 * Thresholds: whether enough of a role's keys signed a file.
 *
 * The count is of distinct public keys with a valid signature (KY1), each looked up by the id under which the
 * role lists it. Signatures by other keys, and invalid ones beside enough valid ones, change nothing.
 */
import { DepotError, type ErrorDetail } from '../lib/errors.ts';
import { escapeInvisible } from '../lib/shown-text.ts';
import type { PublicKey } from './keys.ts';
import type { Metadata } from './metadata.ts';
import type { Keys, RoleKeys } from './role-keys.ts';
import { ALL_SIGNATURES, type SignaturePolicy, WHERE_ACCEPTED } from './signature-policy.ts';
import { type Spend, STEPS, uncounted } from './work-budget.ts';

/** The keys that count: those of a root for the top-level roles, those of a targets role for its delegations. */
export type Signers = RoleKeys & {
  readonly keys: Keys;
  /** The file with these keys, for errors: `root version 3`. */
  readonly saidBy: string;
  readonly signatures: SignaturePolicy;
};

/** How a key of a role and a file stand to each other. */
type Outcome = 'valid' | 'repeated' | 'unusable' | 'unsigned' | 'wrong';

/** By key id, in the order of the role. Each public key is valid once (KY1). */
const outcomes = (
  { keys, keyIds, signatures }: Pick<Signers, 'keys' | 'keyIds' | 'signatures'>,
  metadata: Metadata,
  spend: Spend,
): ReadonlyMap<string, Outcome> => {
  const valid = new Set<string>();
  const outcomeOf = (keyId: string): Outcome => {
    const key = keys.get(keyId);
    if (!key?.isUsable || !isCounted(key, signatures)) return 'unusable';
    const signature = metadata.signatures.get(keyId);
    if (signature === undefined) return 'unsigned';
    if (valid.has(key.identity)) return 'repeated';
    spend(key.verifySteps + metadata.signedBytes.length * STEPS.signedByte);
    if (!key.verify(metadata.signedBytes, signature)) return 'wrong';
    valid.add(key.identity);
    return 'valid';
  };
  return new Map(keyIds.map(keyId => [keyId, outcomeOf(keyId)]));
};

/** The ids of the keys whose signatures count, one for each key (KY1). */
export const validKeyIds = (
  signers: Pick<Signers, 'keys' | 'keyIds' | 'signatures'>,
  metadata: Metadata,
): readonly string[] => [...outcomes(signers, metadata, uncounted)].filter(isValid).map(([keyId]) => keyId);

/** KY4 */
const isCounted = ({ neededPolicy }: PublicKey, { rsaPkcs1v15 }: SignaturePolicy): boolean =>
  neededPolicy === undefined || rsaPkcs1v15 === 'accepted';

const isValid = ([, outcome]: readonly [string, Outcome]): boolean => outcome === 'valid';

/** @throws DepotError `UNTRUSTED_SIGNATURES`, naming the role, the count, and each key that does not count with the reason */
export const requireThreshold = (signers: Signers, metadata: Metadata, spend: Spend = uncounted): void => {
  const { threshold, saidBy } = signers;
  const found = [...outcomes(signers, metadata, spend)];
  const valid = found.filter(isValid).length;
  if (valid >= threshold) return;
  const { name, signed } = metadata;
  const reasons = [
    ...found.flatMap(([keyId, outcome]) =>
      outcome === 'valid' ? [] : [reasonText(keyId, outcome, signers)],
    ),
    ...strangersText(signers, metadata),
  ];
  throw new DepotError(
    'UNTRUSTED_SIGNATURES',
    `the ${name} metadata (version ${signed.version}) has valid signatures by ${valid} of the ` +
      `${threshold} keys required by ${saidBy}: ${listed(reasons, '; ')}`,
    { detail: { role: name, threshold, valid, ...unacceptedDetail(signers, metadata, spend) } },
  );
};

/** Says so where the threshold is met by signatures that the policy does not accept, and by nothing else. */
const unacceptedDetail = (signers: Signers, metadata: Metadata, spend: Spend) => {
  const wider = { ...signers, signatures: ALL_SIGNATURES };
  const isUnaccepted = signers.keyIds.some(keyId => {
    const key = signers.keys.get(keyId);
    return key?.isUsable === true && !isCounted(key, signers.signatures);
  });
  if (!isUnaccepted) return {};
  const valid = [...outcomes(wider, metadata, spend)].filter(isValid).length;
  return valid >= signers.threshold ? UNACCEPTED : {};
};

const UNACCEPTED = {
  needed_setting: 'accept_rsa_pkcs1v15',
  remedy: `Have it signed by keys of another scheme. If its signers have none, and you accept theirs (SECURITY.md): ${WHERE_ACCEPTED}.`,
};

/** Whether only a policy keeps signatures from counting, by the detail of an error. */
export const isOnlyUnaccepted = ({ detail }: DepotError): boolean =>
  detail.needed_setting === UNACCEPTED.needed_setting;

/** What the detail of an error says of that, for an error about it. */
export const unacceptedOf = (error: DepotError): ErrorDetail => (isOnlyUnaccepted(error) ? UNACCEPTED : {});

const reasonText = (keyId: string, outcome: Exclude<Outcome, 'valid'>, { keys }: Signers): string => {
  const id = shownId(keyId);
  switch (outcome) {
    case 'unsigned':
      return `no signature by ${id}`;
    case 'wrong':
      return `the signature by ${id} does not verify`;
    case 'repeated':
      return `${id} is another id of a key that counted already`;
    case 'unusable': {
      const key = keys.get(keyId);
      if (key === undefined) return `the key ${id} is missing`;
      if (!key.isUsable) return `the key ${id} ${key.problem}`;
      return `the key ${id} has the scheme ${key.neededPolicy}, which counts only where a policy accepts it (${WHERE_ACCEPTED})`;
    }
    default:
      return outcome satisfies never;
  }
};

/** Signatures by keys that the role does not have. */
const strangersText = ({ keyIds, saidBy }: Signers, { signatures }: Metadata): readonly string[] => {
  const strangers = [...new Set(signatures.keys()).difference(new Set(keyIds))].map(shownId);
  return strangers.length === 0
    ? []
    : [`signed by ${listed(strangers, ', ')}, which ${saidBy} does not have for this role`];
};

const MAX_LISTED = 4;
const ID_LENGTH = 16;

/** Cut to what a person compares. */
const shownId = (keyId: string): string =>
  escapeInvisible(keyId.length > ID_LENGTH ? `${keyId.slice(0, ID_LENGTH).toWellFormed()}…` : keyId);

/** The first few. */
const listed = (texts: readonly string[], separator: string): string => {
  if (texts.length === 0) return 'it has too few keys';
  const more = texts.length > MAX_LISTED ? [`${texts.length - MAX_LISTED} more`] : [];
  return [...texts.slice(0, MAX_LISTED), ...more].join(separator);
};
