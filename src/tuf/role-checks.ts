/**
 * The checks of one file, in the order of the specification: listed bytes, form, signatures, version, rollback, expiry.
 * Each returns the metadata with the overrides that it needed, or throws and leaves nothing behind (TT6).
 */
import { DepotError } from '../lib/errors.ts';
import { type FileMeta, type Metadata, parseMetadata } from './metadata.ts';
import type { TopLevelRole } from './role-names.ts';
import type { Floors } from './rollback.ts';
import { requireThreshold, type Signers } from './signatures.ts';
import { hashMismatch } from './targets.ts';
import { type Override, requireNoRollback, requireUnexpired, type TrustPolicy } from './trust-policy.ts';
import type { WorkBudget } from './work-budget.ts';

export type Checked<R extends TopLevelRole> = {
  readonly metadata: Metadata<R>;
  readonly overrides: readonly Override[];
};

type Expectations = {
  readonly signers: Signers;
  readonly policy: TrustPolicy;
  readonly budget: WorkBudget;
};

/** 5.4. Returns `before` if it has the same version. */
export const checkTimestamp = (
  bytes: Uint8Array,
  before: Metadata<'timestamp'> | undefined,
  { floors, signers, policy, budget }: Expectations & { readonly floors: Floors },
): Checked<'timestamp'> => {
  const spend = budget.of('timestamp');
  const next = parseMetadata('timestamp', bytes, 'timestamp', spend);
  requireThreshold(signers, next, spend);
  const metadata = before?.signed.version === next.signed.version ? before : next;
  const { version, snapshot } = metadata.signed;
  const overrides = [
    ...requireNoRollback('timestamp', version, floors.timestamp, policy),
    ...requireNoRollback('snapshot', snapshot.version, floors.snapshot, policy),
    ...requireUnexpired(metadata, policy),
  ];
  return { metadata, overrides };
};

/** 5.5 */
export const checkSnapshot = (
  bytes: Uint8Array,
  listed: FileMeta,
  { floors, signers, policy, budget }: Expectations & { readonly floors: Floors },
): Checked<'snapshot'> => {
  requireListedBytes('snapshot', bytes, listed);
  const spend = budget.of('snapshot');
  const metadata = parseMetadata('snapshot', bytes, 'snapshot', spend);
  requireThreshold(signers, metadata, spend);
  requireVersion(metadata, listed.version, 'the timestamp metadata');
  const { meta } = metadata.signed;
  const rollbacks = [...floors.roles].flatMap(([name, floor]) =>
    requireNoRollback(name, meta.get(name)?.version ?? 0, floor, policy),
  );
  return { metadata, overrides: [...rollbacks, ...requireUnexpired(metadata, policy)] };
};

/** 5.6, for the top-level role and for delegated ones. */
export const checkTargets = (
  name: string,
  bytes: Uint8Array,
  listed: FileMeta,
  { signers, policy, budget }: Expectations,
): Checked<'targets'> => {
  requireListedBytes(name, bytes, listed);
  const spend = budget.of(name);
  const metadata = parseMetadata('targets', bytes, name, spend);
  requireThreshold(signers, metadata, spend);
  requireVersion(metadata, listed.version, 'the snapshot metadata');
  return { metadata, overrides: requireUnexpired(metadata, policy) };
};

/** @param source the file that requires this version, for the message */
export const requireVersion = ({ name, signed }: Metadata, version: number, source: string): void => {
  if (signed.version === version) return;
  throw mismatch(name, `has version ${signed.version}, but ${source} requires version ${version}`);
};

const requireListedBytes = (name: string, bytes: Uint8Array, { lengthBytes, hashes }: FileMeta): void => {
  if (lengthBytes !== undefined && bytes.length !== lengthBytes) {
    throw mismatch(name, `has ${bytes.length} bytes, but ${lengthBytes} were signed`);
  }
  const wrong = hashes === undefined ? undefined : hashMismatch(bytes, hashes);
  if (wrong !== undefined) throw mismatch(name, wrong);
};

const mismatch = (role: string, problem: string): DepotError =>
  new DepotError(
    'METADATA_MISMATCH',
    `the ${role} metadata ${problem}; the repository's files are of different ages`,
    { detail: { role } },
  );
