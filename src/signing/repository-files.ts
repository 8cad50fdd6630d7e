/**
 * The files of a repository, from its artifacts and its signers: metadata as bytes, targets as references to content that
 * was measured before.
 */
import { createHash } from 'node:crypto';
import type { ReleaseFormat } from '../core/release.ts';
import { DepotError } from '../lib/errors.ts';
import { parseMetadata } from '../tuf/metadata.ts';
import { DOCUMENT_NAMES, EXTENSION } from '../tuf/release-document.ts';
import { metadataFileName, type TopLevelRole } from '../tuf/role-names.ts';
import { targetFileNames } from '../tuf/targets.ts';
import { type DelegationPlan, planDelegations } from './delegations.ts';
import { type Content, type Measured, measure } from './measure.ts';
import { type SignedObject, signedObject, signMetadata } from './sign-metadata.ts';

export type MeasuredContent = { readonly content: Content; readonly measured: Measured };

/** An artifact whose content is known; see {@link ArtifactInput}. */
export type MeasuredArtifact = MeasuredContent & {
  readonly targetName: string;
  readonly version: string;
  readonly tags: Readonly<Record<string, string>>;
};

export type RepositoryOptions = {
  readonly systemVersion: string;
  readonly format: ReleaseFormat;
  readonly artifacts: readonly MeasuredArtifact[];
  /** Free text of the release. A v1 document has no field for it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every root.json from the first that clients may trust to the newest. */
  readonly rootChain: readonly Uint8Array[];
  readonly versions: Readonly<Record<Exclude<TopLevelRole, 'root'>, number>>;
  readonly expiresMs: Readonly<Record<Exclude<TopLevelRole, 'root'>, number>>;
  readonly delegations?: DelegationPlan | undefined;
  /** Makes a metadata file of a `signed` part. Delegated roles are signed by the keys of their plan. */
  readonly sign: (role: TopLevelRole, signed: SignedObject) => Uint8Array;
};

export type RepositoryFiles = {
  /** By name below `metadata/`. */
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  /** By name below `targets/`. */
  readonly targets: ReadonlyMap<string, MeasuredContent>;
};

export const buildRepository = async (options: RepositoryOptions): Promise<RepositoryFiles> => {
  const roots = options.rootChain.map(bytes => ({ bytes, root: parseMetadata('root', bytes).signed }));
  const newest = roots.at(-1);
  if (newest === undefined) throw new DepotError('METADATA_INVALID', 'a repository needs at least one root');
  const { consistentSnapshot } = newest.root;
  const { format, artifacts, versions, sign } = options;

  const document = format === 'plain' ? undefined : await documentTarget(format, options);
  const listed = [...artifacts, ...(document === undefined ? [] : [document])];
  requireDistinctNames(listed);
  const targetsFiles = signTargets(options, listed);
  const snapshot = sign('snapshot', listingObject('snapshot', targetsFiles, options));
  const timestamp = sign('timestamp', listingObject('timestamp', new Map([['snapshot', snapshot]]), options));

  const versioned = (role: string, version: number): string =>
    metadataFileName(role, consistentSnapshot ? version : undefined);
  return {
    metadata: new Map([
      ...roots.map(({ bytes, root }) => [`${root.version}.root.json`, bytes] as const),
      ['timestamp.json', timestamp],
      [versioned('snapshot', versions.snapshot), snapshot],
      ...Array.from(targetsFiles, ([name, bytes]) => [versioned(name, versions.targets), bytes] as const),
    ]),
    targets: new Map(listed.map(target => [fileName(target, consistentSnapshot), target] as const)),
  };
};

const requireDistinctNames = (listed: readonly ListedTarget[]): void => {
  const names = new Set<string>();
  for (const { targetName } of listed) {
    if (names.has(targetName))
      throw new DepotError('RELEASE_DOCUMENT_INVALID', `two artifacts have the target name ${targetName}`);
    names.add(targetName);
  }
};

type ListedTarget = MeasuredContent & { readonly targetName: string };

const isArtifact = (target: ListedTarget): target is MeasuredArtifact => 'tags' in target;

const fileName = ({ targetName, measured }: ListedTarget, consistentSnapshot: boolean): string => {
  const hashes = { sha256: measured.sha256, sha512: undefined };
  return targetFileNames(targetName, hashes, consistentSnapshot)[0];
};

/** The entry of an artifact in the document. */
export const documentEntry = (
  format: 'v2' | 'v1',
  { targetName, version, tags }: Pick<MeasuredArtifact, 'targetName' | 'version' | 'tags'>,
): SignedObject => {
  if (format === 'v2') return { target_name: targetName, version, tags };
  const { kind, name } = tags;
  if (kind !== undefined && name !== undefined) return { name, version, kind, target: targetName };
  throw new DepotError(
    'RELEASE_DOCUMENT_INVALID',
    `in format v1 the artifact ${targetName} needs the tags kind and name`,
  );
};

const documentTarget = async (format: 'v2' | 'v1', options: RepositoryOptions): Promise<ListedTarget> => {
  const artifacts = options.artifacts.map(artifact => documentEntry(format, artifact));
  if (format === 'v1' && Object.keys(options.metadata).length > 0) {
    throw new DepotError('RELEASE_DOCUMENT_INVALID', 'a release in format v1 has no metadata; use v2');
  }
  const head = { system_version: options.systemVersion, artifacts };
  const document = format === 'v2' ? { ...head, metadata: options.metadata } : head;
  const bytes = Buffer.from(`${JSON.stringify(document, undefined, 2)}\n`);
  return { targetName: DOCUMENT_NAMES[format], content: { bytes }, measured: await measure({ bytes }) };
};

/** The files of the targets role and of the roles that it delegates to, by role name. */
const signTargets = (
  options: RepositoryOptions,
  listed: readonly ListedTarget[],
): ReadonlyMap<string, Uint8Array> => {
  const { delegations: plan, format, systemVersion, metadata } = options;
  const planned = plan === undefined ? undefined : planDelegations(plan);
  // The document defines the release: its own signer vouches for it.
  const roleOf = (target: ListedTarget): string =>
    isArtifact(target) ? (planned?.roleOf(target.targetName) ?? 'targets') : 'targets';
  const byRole = Map.groupBy(listed, roleOf);
  const top = {
    ...targetsObject(options, byRole.get('targets') ?? []),
    ...(planned && { delegations: planned.object }),
    ...(format === 'plain' && { [EXTENSION]: { system_version: systemVersion, metadata } }),
  };
  return new Map([
    ['targets', options.sign('targets', top)],
    ...(planned?.roles ?? []).map(({ name, signers }) => {
      const signed = targetsObject(options, byRole.get(name) ?? []);
      return [name, signMetadata(signed, signers.keys)] as const;
    }),
  ]);
};

const targetsObject = (options: RepositoryOptions, listed: readonly ListedTarget[]): SignedObject => {
  const isPlain = options.format === 'plain';
  const byName = new Map<string, object>();
  for (const target of listed) {
    const { targetName, measured } = target;
    const described = isPlain && isArtifact(target) ? target : undefined;
    byName.set(targetName, {
      length: measured.sizeBytes,
      hashes: { sha256: measured.sha256 },
      ...(described && { custom: { [EXTENSION]: { version: described.version, tags: described.tags } } }),
    });
  }
  return {
    ...signedObject('targets', { version: options.versions.targets, expiresMs: options.expiresMs.targets }),
    targets: Object.fromEntries(byName),
  };
};

const listingObject = (
  role: 'snapshot' | 'timestamp',
  listed: ReadonlyMap<string, Uint8Array>,
  { versions, expiresMs }: RepositoryOptions,
): SignedObject => {
  const version = role === 'timestamp' ? versions.snapshot : versions.targets;
  const meta = Array.from(listed, ([name, bytes]) => [`${name}.json`, fileMeta(bytes, version)]);
  return {
    ...signedObject(role, { version: versions[role], expiresMs: expiresMs[role] }),
    meta: Object.fromEntries(meta),
  };
};

/** The entry of a role for a metadata file that it lists. */
export const fileMeta = (bytes: Uint8Array, version: number) => ({
  version,
  length: bytes.length,
  hashes: { sha256: createHash('sha256').update(bytes).digest('hex') },
});
