/**
 * The artifact documents of a repository: which of its targets make the release, in which version and role.
 *
 *     artifacts-v2.json  { system_version, artifacts: [{ target_name, version, tags }], metadata }
 *     artifacts.json     { system_version, artifacts: [{ name, version, kind, target }] }      (v1)
 *     none               the targets themselves
 *
 * A v1 artifact gets the tags `kind` and `name`, and composite artifacts stay whole here. A repository without a document says in its signed targets metadata, in the member
 * `x-tuf-depot: { system_version, metadata? }`, which release it is; one that does not gets a version from its metadata
 * (release-identity.ts). Version and tags of an artifact may stand in its `custom` field, as
 * `x-tuf-depot: { version?, tags? }`. Without, its version is the beginning of its hash: a version is a fact about
 * the bytes, and an artifact that two releases share has one.
 */
import type { ReleaseFormat } from '../core/release.ts';
import { type Fields, fieldsOf } from './fields.ts';
import type { Targets } from './metadata.ts';
import { parseStrictJson } from './strict-json.ts';
import type { Target } from './targets.ts';

/** What a document lists, before it is compared with the signed targets. */
export type DocumentedArtifact = {
  readonly targetName: string;
  /** Undefined for the beginning of its SHA-256. */
  readonly version: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** The position of the artifact in the document, for errors. */
  readonly fields: Fields;
};

export type ReleaseDocument = {
  readonly what: string;
  readonly systemVersion: string;
  readonly artifacts: readonly DocumentedArtifact[];
  readonly metadata: Readonly<Record<string, string>>;
};

/** Targets that are documents, the preferred one first. */
export const DOCUMENT_NAMES = { v2: 'artifacts-v2.json', v1: 'artifacts.json' } as const satisfies Partial<
  Record<ReleaseFormat, string>
>;
/** 10,000 artifacts fill about 2 MiB. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** The name of our signed members. */
export const EXTENSION = 'x-tuf-depot';

const CODE = 'RELEASE_DOCUMENT_INVALID';

/** The document of a repository, if it has one. */
export const documentTarget = (
  targets: ReadonlyMap<string, Target>,
): { readonly format: 'v2' | 'v1'; readonly name: string; readonly target: Target } | undefined => {
  for (const format of ['v2', 'v1'] as const) {
    const name = DOCUMENT_NAMES[format];
    const target = targets.get(name);
    if (target !== undefined) return { format, name, target };
  }
  return undefined;
};

/** @throws DepotError `METADATA_INVALID` if it is not JSON, `RELEASE_DOCUMENT_INVALID` for a wrong field */
export const parseReleaseDocument = (format: 'v2' | 'v1', bytes: Uint8Array): ReleaseDocument => {
  const what = DOCUMENT_NAMES[format];
  const document = fieldsOf(parseStrictJson(bytes, what), { what, code: CODE });
  const artifacts = [...document.items('artifacts')];
  return {
    what,
    systemVersion: document.string('system_version'),
    artifacts: artifacts.map(format === 'v2' ? parseArtifact : parseArtifactV1),
    metadata: document.has('metadata') ? document.stringRecord('metadata') : {},
  };
};

const parseArtifact = (fields: Fields): DocumentedArtifact => ({
  targetName: fields.string('target_name'),
  version: fields.string('version'),
  tags: fields.stringRecord('tags'),
  fields,
});

const parseArtifactV1 = (fields: Fields): DocumentedArtifact => ({
  targetName: fields.string('target'),
  version: fields.string('version'),
  tags: { kind: fields.string('kind'), name: fields.string('name') },
  fields,
});

/** The implied document of a repository without one. The top-level role has the name of the release. */
export const documentOfPlainTargets = (
  { object }: Targets,
  targets: ReadonlyMap<string, Target>,
  versionWithoutName: () => string,
): ReleaseDocument => {
  const what = 'the targets metadata';
  const signed = fieldsOf(object, { what, code: CODE });
  const extension = signed.has(EXTENSION) ? signed.fields(EXTENSION) : undefined;
  return {
    what,
    systemVersion: extension?.string('system_version') ?? versionWithoutName(),
    artifacts: Array.from(targets, ([targetName, { custom }]) => {
      const own = custom?.has(EXTENSION) ? custom.fields(EXTENSION) : undefined;
      return {
        targetName,
        version: own?.has('version') ? own.string('version') : undefined,
        tags: own?.has('tags') ? own.stringRecord('tags') : { kind: 'target', name: targetName },
        fields: own ?? signed,
      };
    }),
    metadata: extension?.has('metadata') ? extension.stringRecord('metadata') : {},
  };
};
