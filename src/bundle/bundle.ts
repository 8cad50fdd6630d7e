/**
 * A bundle: what vouches for one release, as one file that is known by the SHA-256 of its bytes.
 *
 *     { "format": 1, "system_version": "1.2.0", "metadata": { "1.root.json": TEXT, … }, "unsigned": [{ "sha256", "size" }] }
 *
 * `metadata` has the files that the verification of the release read, unchanged. `unsigned` has the artifacts of the release that no
 * signed target lists: the parts of composite artifacts, or every artifact of a release that was recorded without a bundle.
 * `addresses`, which is there only where it is needed, has the SHA-256 of artifacts that are signed by a SHA-512 alone.
 *
 * BU1. A bundle has one encoding: any other text of the same content is refused. So a key occurs once, nothing is unknown, and
 *      equal content has an equal hash.
 * BU2. A bundle proves nothing by itself: its metadata has to be verified ({@link judgeBundle} in judge.ts), and what is unsigned has to be
 *      exempted by name.
 * BU3. The system version is the word of whoever made the bundle: most formats have it in a target, which is not part of the bundle.
 *      So it names the release to people, and decides about no byte.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { MAX_CONFIG_ARTIFACTS } from '../core/artifact-config.ts';
import { ArtifactHash, SystemVersion } from '../core/ids.ts';
import { MAX_BUNDLE_BYTES } from '../core/release-trust.ts';
import { DepotError } from '../lib/errors.ts';
import { quoted } from '../lib/shown-text.ts';

export type Bundle = {
  readonly systemVersion: SystemVersion;
  /** Text by file name; empty for a release that was recorded without its metadata. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Length in bytes by hash. */
  readonly unsigned: ReadonlyMap<ArtifactHash, number>;
  /** SHA-512 by SHA-256, of what only a SHA-512 is signed for: bytes that have both are the signed ones. */
  readonly addresses?: ReadonlyMap<ArtifactHash, string>;
};

export type EncodedBundle = { readonly sha256: string; readonly bytes: Uint8Array };

/** More roles than a repository may have, and its longest chain of roots. */
const MAX_FILES = 25_000;
/** As a URL segment: a role name of at most 180 characters, with its version. */
const FILE_NAME = /^[\w.~%-]{1,220}\.json$/;

const BundleText = z.strictObject({
  format: z.literal(1),
  system_version: SystemVersion,
  // Not a record of zod: it is slow for large texts, and the encoding is compared anyway.
  metadata: z.custom<Record<string, string>>(isTextByName, 'must have the text of each file by its name'),
  unsigned: z
    .array(
      z.strictObject({ sha256: ArtifactHash, size: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER) }),
    )
    .max(MAX_CONFIG_ARTIFACTS),
  addresses: z
    .array(z.strictObject({ sha256: ArtifactHash, sha512: z.string().regex(/^[0-9a-f]{128}$/) }))
    .min(1)
    .max(MAX_CONFIG_ARTIFACTS)
    .optional(),
});

function isTextByName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries = Object.entries(value);
  return (
    entries.length <= MAX_FILES &&
    entries.every(([name, text]) => FILE_NAME.test(name) && typeof text === 'string' && text.isWellFormed())
  );
}

const textOf = ({ systemVersion, metadata, unsigned, addresses = new Map() }: Bundle): string => {
  const sorted = <T>(entries: Iterable<readonly [string, T]>) =>
    [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({
    format: 1,
    system_version: systemVersion,
    metadata: Object.fromEntries(sorted(metadata)),
    unsigned: sorted(unsigned).map(([sha256, size]) => ({ sha256, size })),
    ...(addresses.size > 0 && {
      addresses: sorted(addresses).map(([sha256, sha512]) => ({ sha256, sha512 })),
    }),
  });
};

export const bundleDigest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** @returns undefined if it is larger than {@link MAX_BUNDLE_BYTES} */
export const encodeBundle = (bundle: Bundle): EncodedBundle | undefined => {
  // Of its own memory, so that it can be handed to another thread.
  const bytes = new TextEncoder().encode(textOf(bundle));
  return bytes.length > MAX_BUNDLE_BYTES ? undefined : { sha256: bundleDigest(bytes), bytes };
};

/** @throws DepotError `BUNDLE_INVALID` for anything that {@link encodeBundle} would not write (BU1) */
export const parseBundle = (bytes: Uint8Array): Bundle => {
  if (bytes.length > MAX_BUNDLE_BYTES)
    throw invalid(`it has ${bytes.length} bytes; the limit is ${MAX_BUNDLE_BYTES}`);
  const text = decode(bytes);
  const parsed = BundleText.safeParse(jsonOf(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`field ${quoted(issue?.path.join('.') ?? '')}: ${issue?.message ?? 'is wrong'}`);
  }
  const { system_version, metadata, unsigned, addresses } = parsed.data;
  const bundle: Bundle = {
    systemVersion: system_version,
    metadata: new Map(Object.entries(metadata)),
    unsigned: new Map(unsigned.map(({ sha256, size }) => [sha256, size])),
    ...(addresses && { addresses: new Map(addresses.map(({ sha256, sha512 }) => [sha256, sha512])) }),
  };
  if (textOf(bundle) !== text)
    throw invalid('it has the content of a bundle, but another text than the one encoding of that content');
  return bundle;
};

const decode = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid('it is not UTF-8 text', cause);
  }
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid('it is not JSON', cause);
  }
};

const invalid = (problem: string, cause?: unknown): DepotError =>
  new DepotError('BUNDLE_INVALID', `this is no bundle of release metadata: ${problem}`, { cause });
