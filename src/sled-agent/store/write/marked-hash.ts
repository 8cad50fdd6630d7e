/** The hash of one write, compared at each mark whose digest is known (WR5), and with the verified part open to readers (ARV1). */
import { createHash } from 'node:crypto';
import type { ArtifactHash } from '../../../core/ids.ts';
import { checkPrefixes } from '../../../core/prefix-digests.ts';
import type { DepotError } from '../../../lib/errors.ts';
import type { Arrivals } from './arrivals.ts';
import type { Lanes } from './lanes.ts';
import type { ToldPrefixes } from './told-prefixes.ts';
import { wrongPrefix } from './write-refusals.ts';

export type MarkedHashDependencies = {
  readonly prefixes: Pick<ToldPrefixes, 'of' | 'contradicted'>;
  readonly arrivals: Pick<Arrivals, 'begin'>;
};

export type MarkedHash = {
  /** Why the write ends here (WR5). */
  readonly update: (chunk: Uint8Array) => DepotError | undefined;
  /** A chunk was written. */
  readonly moved: () => void;
  readonly digest: () => string;
  /** All of so many bytes are right. */
  readonly whole: (bytes: number) => void;
  readonly end: () => void;
};

/** The write that it belongs to. */
type HashedWrite = {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number | undefined;
  readonly lanes: Pick<Lanes, 'files'>;
  readonly sender: string;
};

/** Without known prefix digests it is a hash alone. */
export const createMarkedHash = (
  { prefixes, arrivals }: MarkedHashDependencies,
  { sha256, sizeBytes, lanes, sender }: HashedWrite,
): MarkedHash => {
  const hash = createHash('sha256');
  const digest = () => hash.digest('hex');
  const told = sizeBytes === undefined ? undefined : prefixes.of(sha256, sizeBytes);
  if (sizeBytes === undefined || told === undefined) {
    const nothing = () => undefined;
    const update = (chunk: Uint8Array) => void hash.update(chunk);
    return { update, moved: nothing, digest, whole: nothing, end: nothing };
  }
  const check = checkPrefixes(hash, told);
  const arrival = arrivals.begin(sha256, { sizeBytes, files: lanes.files });
  return {
    update(chunk) {
      const { verifiedBytes, differsAt } = check.update(chunk);
      arrival.verified(verifiedBytes);
      if (differsAt === undefined) return undefined;
      prefixes.contradicted(sha256, told);
      return wrongPrefix(sha256, { verifiedBytes, differsAt }, sender);
    },
    moved: arrival.moved,
    digest,
    whole: arrival.verified,
    end: arrival.end,
  };
};
