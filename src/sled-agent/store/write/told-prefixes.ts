/**
 * The prefix digests that a Nexus told, in memory: what writes compare, and without which nothing is passed on before it is whole.
 *
 * TPX1. They are bounded in number and size; those that were told first are forgotten first. A forgotten one costs speed alone.
 * TPX2. They belong to wanted artifacts: a config forgets those of all others.
 * TPX3. Digests that bytes have contradicted are not compared again, whether the bytes or the digests were wrong: wrong digests cost
 *       one transfer, and keep no artifact from arriving (PXD1). They are refused, so that Nexus does not believe that this sled passes on
 *       what it cannot compare.
 */
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import type { ArtifactHash } from '../../../core/ids.ts';
import { fitSize, type PrefixDigests, type SizedPrefixes } from '../../../core/prefix-digests.ts';
import { DepotError } from '../../../lib/errors.ts';
import { notInConfig } from './write-refusals.ts';

/** A map entry is small; these are as many artifacts as a large fleet has in transit. */
const MAX_TOLD = 16_384;
/** With units of 1 MiB, those of 512 GiB of artifacts. */
const MAX_TOLD_BYTES = 16 * 1024 * 1024;

export type ToldPrefixes = {
  /**
   * Idempotent. @throws `NO_ARTIFACT_CONFIG`, `ARTIFACT_NOT_IN_CONFIG`, `INVALID_REQUEST` for digests that do not fit the size, or that
   * bytes have contradicted (TPX3)
   */
  readonly tell: (sha256: ArtifactHash, told: SizedPrefixes) => void;
  /** Of an artifact of this size. */
  readonly of: (sha256: ArtifactHash, sizeBytes: number) => PrefixDigests | undefined;
  /** Whether a write of it would be compared, if it has the size that was told. */
  readonly knows: (sha256: ArtifactHash) => boolean;
  /** The bytes of a write had another digest (TPX3). */
  readonly contradicted: (sha256: ArtifactHash, prefixes: PrefixDigests) => void;
  /** The config has changed (TPX2). */
  readonly settle: () => void;
};

type Entry = { readonly prefixes: PrefixDigests; isContradicted: boolean };

export const createToldPrefixes = (
  config: () => ArtifactConfig | undefined,
  bounds: { readonly told: number; readonly bytes: number } = { told: MAX_TOLD, bytes: MAX_TOLD_BYTES },
): ToldPrefixes => {
  const entries = new Map<ArtifactHash, Entry>();
  let bytes = 0;
  const forget = (sha256: ArtifactHash): void => {
    bytes -= entries.get(sha256)?.prefixes.digests.length ?? 0;
    entries.delete(sha256);
  };
  return {
    tell(sha256, { sizeBytes, prefixes }) {
      requireFitting(config(), sha256, { sizeBytes, prefixes });
      const before = entries.get(sha256);
      if (before?.isContradicted === true && isSame(before.prefixes, prefixes)) throw contradicted(sha256);
      forget(sha256);
      entries.set(sha256, { prefixes, isContradicted: false });
      bytes += prefixes.digests.length;
      for (const oldest of entries.keys()) {
        if (entries.size <= bounds.told && bytes <= bounds.bytes) break;
        forget(oldest);
      }
    },
    of(sha256, sizeBytes) {
      const entry = entries.get(sha256);
      if (entry === undefined || entry.isContradicted) return undefined;
      return fitSize(entry.prefixes, sizeBytes) ? entry.prefixes : undefined;
    },
    knows: sha256 => entries.get(sha256)?.isContradicted === false,
    contradicted(sha256, prefixes) {
      const entry = entries.get(sha256);
      if (entry?.prefixes === prefixes) entry.isContradicted = true;
    },
    settle() {
      const wanted = config()?.artifacts;
      for (const sha256 of entries.keys()) if (wanted?.has(sha256) !== true) forget(sha256);
    },
  };
};

const requireFitting = (
  config: ArtifactConfig | undefined,
  sha256: ArtifactHash,
  { sizeBytes, prefixes }: SizedPrefixes,
): void => {
  if (config === undefined) throw new DepotError('NO_ARTIFACT_CONFIG', 'this sled has no config yet');
  if (!config.artifacts.has(sha256)) throw notInConfig(sha256, config.generation);
  const knownBytes = config.artifacts.get(sha256) ?? sizeBytes;
  if (knownBytes === sizeBytes && fitSize(prefixes, sizeBytes)) return;
  throw new DepotError(
    'INVALID_REQUEST',
    `these are not all prefix digests of ${sha256}, which has ${knownBytes} bytes`,
    { detail: { sha256, unit_bytes: prefixes.unitBytes, digest_bytes: prefixes.digests.length } },
  );
};

const contradicted = (sha256: ArtifactHash): DepotError =>
  new DepotError(
    'INVALID_REQUEST',
    `the bytes of a transfer of ${sha256} had other prefix digests than these: it arrives whole, without them`,
    { detail: { sha256 } },
  );

const isSame = (a: PrefixDigests, b: PrefixDigests): boolean =>
  a.unitBytes === b.unitBytes && Buffer.compare(a.digests, b.digests) === 0;
