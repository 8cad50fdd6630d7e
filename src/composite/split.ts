/**
 * Splits a composite artifact into its parts, streaming: no name in it ever becomes a path.
 *
 *     bytes ─▶ gunzip ─▶ tar ─▶ each part: hash ─▶ [sink] ─▶ parts
 *
 * SP1. The same bytes give the same parts, in the same order, with the same hashes, tags and versions.
 * SP2. Every file is read to its end, also one that is not a part: the whole archive is checked.
 * SP3. A composite that lacks a part of its kind, or has another type, is refused whole.
 */
import { createHash } from 'node:crypto';
import { gunzip } from '../archive/gunzip.ts';
import type { ArchiveLimits } from '../archive/limits.ts';
import { overLimit } from '../archive/refusal.ts';
import { readTar, type TarEntry } from '../archive/tar.ts';
import { ArtifactHash } from '../core/ids.ts';
import type { ReleaseArtifact } from '../core/release.ts';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import { requireEntry } from '../lib/require-entry.ts';
import { quoted } from '../lib/shown-text.ts';
import { ARCHIVE_DESCRIPTION, COMPOSITE_KINDS, type CompositeKind } from './kinds.ts';
import { archiveTypeOf, createLayerPeek } from './layer.ts';

export type Composite = Pick<ReleaseArtifact, 'targetName' | 'version' | 'sizeBytes' | 'tags'>;

export type SplitOptions = {
  readonly limits: ArchiveLimits;
  /** Receives the bytes of every part. The caller may reuse a chunk once the promise resolves. */
  readonly sink?: PartSink;
};

export type PartSink = {
  readonly write: (chunk: Uint8Array) => Promise<void>;
  /** The part whose bytes came since the last one. */
  readonly end: (part: Pick<ReleaseArtifact, 'sha256' | 'sizeBytes'>) => void;
};

export type Split = {
  readonly parts: readonly ReleaseArtifact[];
  /** Files in it that are no parts. */
  readonly ignored: readonly string[];
};

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
  { limits, sink }: SplitOptions,
): Promise<Split> => {
  const kind = requireEntry(COMPOSITE_KINDS, composite.tags.kind ?? '', 'the kind of composite');
  const parts = new Map<string, ReleaseArtifact>();
  const ignored: string[] = [];
  let archiveType: string | undefined;
  const inflated = gunzip(content, { compressedBytes: composite.sizeBytes, limits });
  for await (const entry of readTar(inflated, limits)) {
    if (entry.name.length > MAX_NAME_LENGTH)
      throw overLimit('the length of the name of a part', entry.name.length, MAX_NAME_LENGTH);
    const tags = kind.tagsOf(entry.name, { name: composite.tags.name ?? '' });
    if (tags !== undefined) parts.set(entry.name, await readPart(composite, entry, tags, sink));
    else if (entry.name === ARCHIVE_DESCRIPTION) archiveType = await archiveTypeOf(entry);
    else ignored.push(entry.name);
  }
  requireWhole(kind, archiveType, [...parts.keys()]);
  return { parts: [...parts.values()], ignored };
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

/** Hash digits that serve as the version of bytes without one. */
const VERSION_DIGITS = 16;

const readPart = async (
  composite: Composite,
  entry: TarEntry,
  tags: Readonly<Record<string, string>>,
  sink: PartSink | undefined,
): Promise<ReleaseArtifact> => {
  const hash = createHash('sha256');
  const peek = tags.kind === 'zone' ? createLayerPeek() : undefined;
  for await (const chunk of entry.content) {
    hash.update(chunk);
    peek?.see(chunk);
    await sink?.write(chunk);
  }
  const sha256 = ArtifactHash.parse(hash.digest('hex'));
  const { sizeBytes } = entry;
  sink?.end({ sha256, sizeBytes });
  // A version is a fact about the bytes: an unchanged zone comes again in the next release, with another composite.
  const version =
    peek === undefined ? composite.version : ((await peek.version()) ?? sha256.slice(0, VERSION_DIGITS));
  return { sha256, sizeBytes, targetName: `${composite.targetName}/${entry.name}`, version, tags };
};
