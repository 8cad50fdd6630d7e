/**
 * Splits a composite artifact into its parts, streaming: no name in it ever becomes a path.
 *
 *     bytes ─▶ gunzip ─▶ tar ─▶ each part: hash ─▶ [sink] ─▶ parts
 *
 * SP1. The same bytes give the same parts, in the same order, with the same hashes, tags and versions.
 * SP2. Every file is read to its end, also one that is not a part: the whole archive is checked.
 * SP3. A composite that lacks a part of its kind, or has another type, is refused whole.
 * SP4. What a part says of itself becomes its tags and version. A part that cannot be read is a part all the same.
 */
import { createHash } from 'node:crypto';
import { gunzip } from '../archive/gunzip.ts';
import type { ArchiveLimits } from '../archive/limits.ts';
import { overLimit } from '../archive/refusal.ts';
import { readTar, type TarEntry } from '../archive/tar.ts';
import { ArtifactHash } from '../core/ids.ts';
import { collectPrefixes, PREFIX_UNIT_BYTES, type PrefixDigests } from '../core/prefix-digests.ts';
import { type ReleaseArtifact, versionByHash } from '../core/release.ts';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { requireEntry } from '../lib/require-entry.ts';
import { quoted } from '../lib/shown-text.ts';
import { type FirmwareRole, readFirmware } from './firmware.ts';
import { createImage } from './image.ts';
import { ARCHIVE_DESCRIPTION, COMPOSITE_KINDS, type CompositeKind } from './kinds.ts';
import { archiveTypeOf, createLayerPeek, type Layer } from './layer.ts';

export type Composite = Pick<ReleaseArtifact, 'targetName' | 'version' | 'sizeBytes' | 'tags'>;

export type SplitOptions = {
  readonly limits: ArchiveLimits;
  /** Receives the bytes of every part. The caller may reuse a chunk once the promise resolves. */
  readonly sink?: PartSink;
  /** Without, images keep the tags that need no look into them. */
  readonly readsFirmware?: boolean;
  /** Of the prefix digests; {@link PREFIX_UNIT_BYTES} unless it is given. */
  readonly prefixUnitBytes?: number | undefined;
};

export type PartSink = {
  readonly write: (chunk: Uint8Array) => Promise<void>;
  /** The part whose bytes came since the last one. */
  readonly end: (part: Pick<ReleaseArtifact, 'sha256' | 'sizeBytes'>) => void;
};

export type Split = {
  readonly parts: readonly ReleaseArtifact[];
  readonly prefixesOf: ReadonlyMap<ArtifactHash, PrefixDigests>;
  /** Files in it that are no parts. */
  readonly ignored: readonly string[];
  /** Images that do not say what they are. */
  readonly unreadable: readonly UnreadableImage[];
};

export type UnreadableImage = { readonly targetName: string; readonly reason: string };

export const isComposite = (tags: Composite['tags']): boolean => COMPOSITE_KINDS.has(tags.kind ?? '');

/**
 * @param content the bytes of the composite, all of them
 * @throws DepotError `COMPOSITE_INVALID`, or `ARCHIVE_INVALID`, `ARCHIVE_DAMAGED`, `ARCHIVE_LIMIT` as the readers
 *   of gzip and tar do, naming the artifact; what the sink throws
 */
export const splitComposite = async (
  composite: Composite,
  content: AsyncIterable<Uint8Array>,
  options: SplitOptions,
): Promise<Split> => {
  try {
    return await split(composite, content, options);
  } catch (cause) {
    if (!SPLIT_ERRORS.includes(errorCodeOf(cause))) throw cause;
    const { targetName, tags } = composite;
    throw new DepotError(
      errorCodeOf(cause),
      `the artifact ${targetName} of kind ${tags.kind} cannot be split into its parts`,
      { cause, detail: { target: targetName } },
    );
  }
};

const SPLIT_ERRORS = ['COMPOSITE_INVALID', 'ARCHIVE_INVALID', 'ARCHIVE_DAMAGED', 'ARCHIVE_LIMIT'];

const split = async (
  composite: Composite,
  content: AsyncIterable<Uint8Array>,
  options: SplitOptions,
): Promise<Split> => {
  const { limits } = options;
  const kind = requireEntry(COMPOSITE_KINDS, composite.tags.kind ?? '', 'the kind of composite');
  const parts = new Map<string, ReleaseArtifact>();
  const prefixesOf = new Map<ArtifactHash, PrefixDigests>();
  const ignored: string[] = [];
  const unreadable: UnreadableImage[] = [];
  let archiveType: string | undefined;
  const inflated = gunzip(content, { compressedBytes: composite.sizeBytes, limits });
  for await (const entry of readTar(inflated, limits)) {
    if (entry.name.length > MAX_NAME_LENGTH)
      throw overLimit('the length of the name of a part', entry.name.length, MAX_NAME_LENGTH);
    const tags = kind.tagsOf(entry.name, { name: composite.tags.name ?? '' });
    if (tags !== undefined) {
      const firmware = options.readsFirmware ? kind.firmwareOf?.(entry.name) : undefined;
      const role = { ...options, tags, firmware };
      const { part, reason, prefixes } = await readPart(composite, entry, role);
      parts.set(entry.name, part);
      if (prefixes !== undefined) prefixesOf.set(part.sha256, prefixes);
      if (reason !== undefined) unreadable.push({ targetName: part.targetName, reason });
    } else if (entry.name === ARCHIVE_DESCRIPTION) archiveType = await archiveTypeOf(entry);
    else ignored.push(entry.name);
  }
  requireWhole(kind, archiveType, [...parts.keys()]);
  return { parts: [...parts.values()], prefixesOf, ignored, unreadable };
};

const requireWhole = (
  kind: CompositeKind,
  archiveType: string | undefined,
  partNames: readonly string[],
): void => {
  if (archiveType !== kind.archiveType) {
    const said =
      archiveType === undefined ? `has no ${ARCHIVE_DESCRIPTION}` : `says that it is ${quoted(archiveType)}`;
    throw new DepotError(
      'COMPOSITE_INVALID',
      `it ${said}; expected an archive of type "${kind.archiveType}"`,
    );
  }
  const missing = kind.missing(partNames);
  if (missing !== undefined) throw new DepotError('COMPOSITE_INVALID', `it lacks ${missing}`);
};

/** Names become tags, which a release bounds. */
const MAX_NAME_LENGTH = 128;

type PartRole = Pick<SplitOptions, 'sink' | 'prefixUnitBytes'> & {
  readonly tags: ReleaseArtifact['tags'];
  readonly firmware: FirmwareRole | undefined;
};

type ReadPart = {
  readonly part: ReleaseArtifact;
  readonly prefixes: PrefixDigests | undefined;
  /** Why its image is not readable. */
  readonly reason?: string;
};

const readPart = async (
  composite: Composite,
  entry: TarEntry,
  { tags, firmware, sink, prefixUnitBytes: unitBytes = PREFIX_UNIT_BYTES }: PartRole,
): Promise<ReadPart> => {
  const hash = createHash('sha256');
  const collector = collectPrefixes(hash, { sizeBytes: entry.sizeBytes, unitBytes });
  const peek = tags.kind === 'zone' ? createLayerPeek() : undefined;
  const image = firmware && createImage(entry.sizeBytes);
  for await (const chunk of entry.content) {
    collector.update(chunk);
    peek?.see(chunk);
    image?.see(chunk);
    await sink?.write(chunk);
  }
  const sha256 = ArtifactHash.parse(hash.digest('hex'));
  const prefixes = collector.collected();
  const { sizeBytes } = entry;
  sink?.end({ sha256, sizeBytes });
  const bare = { sha256, sizeBytes, targetName: `${composite.targetName}/${entry.name}` };
  if (peek !== undefined)
    return { part: { ...bare, ...zoneFacts(bare, tags, await peek.layer()) }, prefixes };
  const read = image && firmware && readFirmware(image.bytes(), firmware);
  const part = { ...bare, version: composite.version, tags: read?.outcome === 'read' ? read.tags : tags };
  return { part, prefixes, ...(read?.outcome === 'unreadable' && { reason: read.reason }) };
};

/** A version is a fact about the bytes: an unchanged zone comes again in the next release, with another composite. */
const zoneFacts = (
  bare: Pick<ReleaseArtifact, 'sha256'>,
  tags: ReleaseArtifact['tags'],
  layer: Layer | undefined,
): Pick<ReleaseArtifact, 'version' | 'tags'> =>
  layer === undefined
    ? { version: versionByHash(bare), tags }
    : { version: layer.version, tags: { ...tags, zone_name: layer.pkg } };
