/**
 * What a sled has pinned, in `trust.json` beside its certificate: outside the datasets, so that a disk that is replaced unpins nothing.
 *
 * TF1. A file that cannot be read is an error that names it, never "nothing pinned": a sled that forgot its pins would store anything.
 * TF2. Each chain is verified again when it is read: a file that was cut or altered is noticed by its signatures. They were accepted when
 *      it was pinned (PC4), so those of every scheme count here.
 */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { Sha256Hex } from '../../core/ids.ts';
import type { AdmittedBy } from '../../core/release-admission.ts';
import { MAX_ADMIN_KEYS, MAX_ROOT_CHAINS } from '../../core/release-trust.ts';
import { type PinnedKey, parseAdminPublicKey, publicKeyPem } from '../../identity/admin-key.ts';
import type { Disk } from '../../lib/disk.ts';
import { readFileWhole, writeFileDurably } from '../../lib/durable-file.ts';
import { DepotError } from '../../lib/errors.ts';
import { realDisk } from '../../lib/real-disk.ts';
import { ALL_SIGNATURES } from '../../tuf/signature-policy.ts';
import { PINNED_BY, type PinnedChain, parseChain } from './pinned-chain.ts';

/** Twice as many as a config may name: some are kept for files that stay for a while. */
export const MAX_RECORD = 2_048;
/** Roots have some kilobytes; the largest are of a hundred keys. */
export const MAX_TRUST_BYTES = 64 * 1024 * 1024;

export type Pins = {
  readonly chains: readonly PinnedChain[];
  readonly adminKeys: readonly PinnedKey[];
  /** Bundles that were admitted, by their SHA-256, the first one first. */
  readonly record: ReadonlyMap<string, AdmittedBy>;
};

export const NO_PINS: Pins = { chains: [], adminKeys: [], record: new Map() };

export const trustFileBeside = (certificateFile: string): string =>
  join(dirname(certificateFile), 'trust.json');

const TrustFile = z.strictObject({
  version: z.literal(1),
  chains: z
    .array(z.strictObject({ pinned_by: z.enum(PINNED_BY), roots: z.array(z.string()).min(1) }))
    .max(MAX_ROOT_CHAINS),
  admin_keys: z.array(z.string()).max(MAX_ADMIN_KEYS),
  admitted: z.array(z.strictObject({ bundle: Sha256Hex, by: z.enum(['signature', 'word']) })).max(MAX_RECORD),
});

export const encodePins = ({ chains, adminKeys, record }: Pins): string => {
  const content: z.input<typeof TrustFile> = {
    version: 1,
    chains: chains.map(({ by, roots }) => ({ pinned_by: by, roots: roots.map(({ text }) => text) })),
    admin_keys: adminKeys.map(publicKeyPem),
    admitted: [...record].map(([bundle, by]) => ({ bundle, by })),
  };
  return `${JSON.stringify(content, null, 1)}\n`;
};

/** Nothing pinned without a file. @throws DepotError `CONFIG_INVALID` (TF1) */
export const readPins = async (file: string, options: { readonly disk?: Disk } = {}): Promise<Pins> =>
  (await readOtherPins(file, undefined, options)) ?? NO_PINS;

/** Undefined without a file, and for one with exactly this text. @throws DepotError `CONFIG_INVALID` (TF1) */
export const readOtherPins = async (
  file: string,
  known: string | undefined,
  { disk = realDisk }: { readonly disk?: Disk } = {},
): Promise<Pins | undefined> => {
  try {
    const text = await readFileWhole(file, { disk, maxBytes: MAX_TRUST_BYTES });
    if (text === undefined || text === known) return undefined;
    const { chains, admin_keys, admitted } = TrustFile.parse(JSON.parse(text));
    return {
      chains: chains.map(({ pinned_by, roots }) => {
        const parsed = parseChain(roots, ALL_SIGNATURES);
        return { id: parsed[0].sha256, by: pinned_by, roots: parsed };
      }),
      adminKeys: admin_keys.map(pem => parseAdminPublicKey(pem, file)),
      record: new Map(admitted.map(({ bundle, by }) => [bundle, by])),
    };
  } catch (cause) {
    throw new DepotError(
      'CONFIG_INVALID',
      `trust: ${file} has what this sled has pinned, and cannot be read; restore it, or move it away and pin again: name root_files and admin_key_files in [trust] of the configuration, or join anew by an invitation`,
      { cause },
    );
  }
};

/** @throws DepotError `NO_SPACE`, `IO` */
export const writePins = (file: string, pins: Pins, { disk }: { readonly disk?: Disk } = {}): Promise<void> =>
  writeFileDurably(file, encodePins(pins), { ...(disk && { disk }) });
