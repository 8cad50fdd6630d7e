/**
 * Adds artifacts to a release and removes some from it: a new release, with a new version.
 *
 * ED1. Where an artifact is listed follows from the delegations, as for a client that looks for it. Only roles that
 *      change are signed, and those above them.
 * ED2. Adding an existing name requires removing it too: nothing is replaced by accident.
 */
import assert from 'node:assert/strict';
import type { ReleaseArtifact } from '../core/release.ts';
import { DepotError } from '../lib/errors.ts';
import { requireEntry } from '../lib/require-entry.ts';
import { targetPath } from '../tuf/path-pattern.ts';
import { DOCUMENT_NAMES, EXTENSION } from '../tuf/release-document.ts';
import { uncounted } from '../tuf/work-budget.ts';
import { type ArtifactInput, type AssembledRelease, measureAll } from './assemble.ts';
import { measure, openContent } from './measure.ts';
import { type OpenedRelease, type OpenOptions, openRelease } from './opened-release.ts';
import { documentEntry, type MeasuredArtifact, type MeasuredContent } from './repository-files.ts';
import { type RepublishOptions, republish } from './republish.ts';
import type { SignedObject } from './sign-metadata.ts';

export type EditOptions = RepublishOptions & {
  readonly systemVersion: string;
  readonly add: readonly ArtifactInput[];
  /** Target names. */
  readonly remove: readonly string[];
};

/** @throws DepotError `RELEASE_DOCUMENT_INVALID` for a change that cannot be made, and as {@link republish} does */
export const editRelease = async (
  path: string,
  options: EditOptions,
  openOptions: OpenOptions = {},
): Promise<AssembledRelease> => {
  await using opened = await openRelease(path, openOptions);
  const { signal } = openOptions;
  requirePossible(opened.release.artifacts, options);
  const artifacts = await measureAll(options.add, { signal });
  const added = new Map<string, MeasuredContent>(artifacts.map(artifact => [artifact.targetName, artifact]));
  const { format } = opened.release;
  const changed = new Map<string, SignedObject>();
  const change = (role: string, edit: (signed: SignedObject) => SignedObject) =>
    changed.set(role, edit(changed.get(role) ?? requireEntry(opened.roles, role, 'the role').signed));

  for (const role of opened.roles.values()) {
    const gone = options.remove.filter(name => role.targets.has(name));
    if (gone.length > 0) change(role.name, signed => withoutTargets(signed, gone));
  }
  const { delegations } = opened.repository.targets.signed;
  for (const artifact of artifacts) {
    const role = delegations?.rolesFor(targetPath(artifact.targetName), uncounted)[0]?.name ?? 'targets';
    const custom =
      format === 'plain' ? { [EXTENSION]: { version: artifact.version, tags: artifact.tags } } : undefined;
    change(role, signed => withTarget(signed, artifact.targetName, artifact, custom));
  }
  if (format === 'plain') change('targets', signed => withVersion(signed, options.systemVersion));
  else {
    const name = DOCUMENT_NAMES[format];
    const document = await editDocument(opened, name, format, artifacts, options);
    added.set(name, document);
    const role = [...opened.roles.values()].find(({ targets }) => targets.has(name));
    assert(role !== undefined, `a role lists ${name}, since the release was read from it`);
    change(role.name, signed => withTarget(signed, name, document));
  }
  return await republish(opened, { sign: new Set(changed.keys()), changed, added }, options, { signal });
};

const requirePossible = (
  artifacts: readonly ReleaseArtifact[],
  { add, remove }: Pick<EditOptions, 'add' | 'remove'>,
): void => {
  const names = new Set(artifacts.map(({ targetName }) => targetName));
  const absent = remove.find(name => !names.has(name));
  if (absent !== undefined)
    throw new DepotError('RELEASE_DOCUMENT_INVALID', `the release has no artifact ${absent} to remove`);
  for (const { targetName } of add) {
    if (names.has(targetName) && !remove.includes(targetName))
      throw new DepotError(
        'RELEASE_DOCUMENT_INVALID',
        `the release has an artifact ${targetName} already; remove it too, to replace it`,
      );
    names.add(targetName);
  }
};

const targetsOf = (signed: SignedObject) => signed.targets as Record<string, unknown>;

const withoutTargets = (signed: SignedObject, names: readonly string[]): SignedObject => ({
  ...signed,
  targets: Object.fromEntries(Object.entries(targetsOf(signed)).filter(([name]) => !names.includes(name))),
});

const withTarget = (
  signed: SignedObject,
  name: string,
  { measured: { sizeBytes, sha256 } }: MeasuredContent,
  custom?: SignedObject,
): SignedObject => {
  const target = { length: sizeBytes, hashes: { sha256 }, ...(custom && { custom }) };
  return { ...signed, targets: Object.fromEntries([...Object.entries(targetsOf(signed)), [name, target]]) };
};

const withVersion = (signed: SignedObject, systemVersion: string): SignedObject => ({
  ...signed,
  [EXTENSION]: { ...(signed[EXTENSION] as SignedObject | undefined), system_version: systemVersion },
});

/** Keeps all fields of the document beside its artifacts. */
const editDocument = async (
  opened: OpenedRelease,
  name: string,
  format: 'v2' | 'v1',
  added: readonly MeasuredArtifact[],
  { remove, systemVersion }: EditOptions,
): Promise<MeasuredContent> => {
  const present = opened.contentOf(name, requireEntry(opened.repository.allTargets, name, 'the target'));
  assert(present !== undefined, `${name} is in the archive, since the release was read from it`);
  const pieces: Uint8Array[] = [];
  for await (const piece of openContent(present.content)) pieces.push(Uint8Array.from(piece));
  const document = JSON.parse(Buffer.concat(pieces).toString('utf8')) as SignedObject;
  const nameOf = (entry: SignedObject) => String(format === 'v2' ? entry.target_name : entry.target);
  const kept = (document.artifacts as SignedObject[]).filter(entry => !remove.includes(nameOf(entry)));
  const artifacts = [...kept, ...added.map(artifact => documentEntry(format, artifact))];
  const edited = { ...document, system_version: systemVersion, artifacts };
  const bytes = Buffer.from(`${JSON.stringify(edited, undefined, 2)}\n`);
  return { content: { bytes }, measured: await measure({ bytes }) };
};
