/**
 * The files that a targets role lists, and the names under which a repository keeps them.
 *
 * TN1. A target name is a relative path with the same meaning everywhere: no `..`, no empty segment, no
 *      backslash, no invisible character (SX3). One bad name refuses the whole file.
 * TN2. Only a SHA-256 or a SHA-512 proves the bytes of a target. One that has only other hashes is listed, so that no other role can
 *      list it in its place, and has no bytes.
 */
import { createHash } from 'node:crypto';
import { type ArtifactHash, isArtifactHash } from '../core/ids.ts';
import { escapeInvisible, invisibleProblem } from '../lib/shown-text.ts';
import type { Fields } from './fields.ts';

/** At least one of the two is present (TN2). */
export type Hashes = (
  | { readonly sha256: ArtifactHash; readonly sha512: string | undefined }
  | { readonly sha256: undefined; readonly sha512: string }
) & {
  /** Of algorithms that are unknown here: with consistent snapshots any of them may be in the name of the file. */
  readonly others?: readonly string[];
};

export type Target = {
  readonly lengthBytes: number;
  readonly hashes: Hashes;
  /** The signed `custom` object, if there is one. */
  readonly custom: Fields | undefined;
};

/** TN2. */
export type UnprovenTarget = {
  readonly hashes: undefined;
  /** Names of algorithms, for people. */
  readonly algorithms: readonly string[];
};

export type ListedTarget = Target | UnprovenTarget;

export const isProven = (target: ListedTarget): target is Target => target.hashes !== undefined;

/** A release has hundreds of targets; 32 MiB of metadata could list more than this. */
export const MAX_TARGETS = 100_000;
const MAX_NAME_LENGTH = 512;

const SHA512 = /^[0-9a-f]{128}$/;

export const parseTargets = (signed: Fields): ReadonlyMap<string, ListedTarget> => {
  const targets = new Map<string, ListedTarget>();
  for (const [name, target] of signed.entries('targets')) {
    const problem = targetNameProblem(name);
    if (problem !== undefined) target.fail('', `has a name that ${problem}`);
    if (targets.size >= MAX_TARGETS) signed.fail('targets', `must not exceed ${MAX_TARGETS}`);
    const lengthBytes = target.integer('length', 0);
    const custom = target.has('custom') ? target.fields('custom') : undefined;
    const algorithms = unknownAlgorithms(target.fields('hashes'));
    const isUnproven = algorithms.length > 0 && !hasKnownHash(target.fields('hashes'));
    targets.set(
      name,
      isUnproven ? { hashes: undefined, algorithms } : { lengthBytes, custom, hashes: parseHashes(target) },
    );
  }
  return targets;
};

/** Why a name may not be a target's, as the end of a sentence; undefined for a good name (TN1). */
export const targetNameProblem = (name: string): string | undefined => {
  if (name.length > MAX_NAME_LENGTH) return `is longer than ${MAX_NAME_LENGTH} characters`;
  if (name.includes('\\')) return 'has a backslash';
  const invisible = invisibleProblem(name);
  if (invisible !== undefined) return invisible;
  if (name !== name.normalize('NFC')) return 'is not in Unicode normal form C';
  const segments = name.split('/');
  const isPath = segments.every(segment => segment !== '' && segment !== '.' && segment !== '..');
  return isPath ? undefined : 'is empty, absolute, or has a segment that is empty, "." or ".."';
};

const KNOWN: ReadonlySet<string> = new Set(['sha256', 'sha512']);
const hasKnownHash = (hashes: Fields): boolean => hashes.has('sha256') || hashes.has('sha512');

/** Of the names of algorithms and of the values of their hashes. */
const MAX_UNKNOWN = 8;
const MAX_ALGORITHM_LENGTH = 32;
const HEX = /^[0-9a-f]{2,256}$/;

const unknownAlgorithms = (hashes: Fields): readonly string[] =>
  [...hashes.object.keys()]
    .filter(name => !KNOWN.has(name))
    .slice(0, MAX_UNKNOWN)
    .map(name => escapeInvisible(name.slice(0, MAX_ALGORITHM_LENGTH).toWellFormed()));

const unknownHashes = (hashes: Fields): { readonly others?: readonly string[] } => {
  const others = [...hashes.object]
    .filter(([name]) => !KNOWN.has(name))
    .flatMap(([, value]) => (typeof value === 'string' && HEX.test(value) ? [value] : []))
    .slice(0, MAX_UNKNOWN);
  return others.length === 0 ? {} : { others };
};

/**
 * The `hashes` of a target or a metadata file, in lower case; tough reads digits of either case. Unknown algorithms are ignored as long
 * as a known one is there.
 */
export const parseHashes = (fields: Fields): Hashes => {
  const hashes = fields.fields('hashes');
  const sha256 = hashes.has('sha256') ? hashes.string('sha256').toLowerCase() : undefined;
  const sha512 = hashes.has('sha512') ? hashes.string('sha512').toLowerCase() : undefined;
  if (sha512 !== undefined && !SHA512.test(sha512)) hashes.fail('sha512', 'must be 128 hex digits');
  if (sha256 === undefined)
    return sha512 === undefined
      ? fields.fail('hashes', 'must hold a sha256 or a sha512')
      : { sha256, sha512, ...unknownHashes(hashes) };
  return isArtifactHash(sha256)
    ? { sha256, sha512, ...unknownHashes(hashes) }
    : hashes.fail('sha256', 'must be 64 hex digits');
};

export type TargetFileNames = readonly [first: string, ...others: string[]];

/**
 * The possible places of a target's bytes below `targets/`, most likely first.
 *
 * With consistent snapshots the hash is part of the name: before the last segment in the specification (5.7.3),
 * before the whole path as tough and tufaceous write it. The two differ only for names with a `/`.
 */
export const targetFileNames = (
  name: string,
  hashes: Hashes,
  consistentSnapshot: boolean,
): TargetFileNames => {
  if (!consistentSnapshot) return [name];
  const lastSlash = name.lastIndexOf('/') + 1;
  const namesWith = (hash: string) =>
    [`${name.slice(0, lastSlash)}${hash}.${name.slice(lastSlash)}`, `${hash}.${name}`] as const;
  const { sha256, sha512, others: unknown = [] } = hashes;
  const [first, ...others] = namesWith(sha256 ?? sha512);
  const rest = new Set([
    ...others,
    ...[...(sha512 === undefined ? [] : [sha512]), ...unknown].flatMap(namesWith),
  ]);
  rest.delete(first);
  return [first, ...rest];
};

/** How bytes differ from the signed hashes, as the end of a sentence; undefined if every one of them is right. */
export const hashMismatch = (bytes: Uint8Array, hashes: Hashes): string | undefined => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const signed = hashes[algorithm];
    if (signed === undefined) continue;
    const actual = createHash(algorithm).update(bytes).digest('hex');
    if (actual !== signed) return `has the ${algorithm} ${actual}, but ${signed} was signed`;
  }
  return undefined;
};
