/**
 * The content of a release for `repo assemble`: a TOML manifest, or files on the command line.
 *
 *     system_version = "1.2.0"
 *     [[artifact]]
 *     path = "build/os.img"                      # relative to the manifest
 *     name = "os.img"                            # by default the file's name
 *     version = "1.2.0"                          # by default the system version
 *     tags = { kind = "host_os", board = "g1" }  # by default kind = "file" and the name
 *
 * Delegations may follow: manifest-delegations.ts.
 */
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { SystemVersion } from '../../core/ids.ts';
import { invisibleProblem, quoted } from '../../lib/shown-text.ts';
import { readTomlConfig } from '../../lib/toml-config.ts';
import type { ArtifactInput } from '../../signing/assemble.ts';
import { type Measured, measure } from '../../signing/measure.ts';
import { usageError } from '../output/failure.ts';
import { Delegation, HashBins, type ManifestDelegations } from './manifest-delegations.ts';

const Text = z.string().min(1).max(512);
/** Of the hash, in the version of a file that has none of its own. */
const VERSION_DIGITS = 16;

const Tags = z.record(z.string().min(1).max(64), Text);

const Manifest = z.strictObject({
  system_version: SystemVersion,
  metadata: Tags.optional(),
  artifact: z
    .array(
      z.strictObject({ path: Text, name: Text.optional(), version: Text.optional(), tags: Tags.optional() }),
    )
    .min(1),
  delegation: z.array(Delegation).default([]),
  hash_bins: HashBins.optional(),
});

export type ReleaseInput = {
  readonly systemVersion: string;
  readonly artifacts: readonly ArtifactInput[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly delegations?: ManifestDelegations;
};

/** @throws `CONFIG_INVALID` naming the file and each faulty key */
export const readManifest = async (path: string): Promise<ReleaseInput> => {
  const manifest = await readTomlConfig(path, Manifest);
  return {
    systemVersion: manifest.system_version,
    metadata: manifest.metadata ?? {},
    ...((manifest.delegation.length > 0 || manifest.hash_bins !== undefined) && {
      delegations: { roles: manifest.delegation, hashBins: manifest.hash_bins, manifestPath: path },
    }),
    artifacts: manifest.artifact.map(({ path: artifactPath, name, version, tags }) =>
      artifactOf(resolve(dirname(path), artifactPath), {
        name,
        version: version ?? manifest.system_version,
        tags,
      }),
    ),
  };
};

/**
 * Plain files. A hash has one version in all releases, and a plain file has no version: it gets one that is derived
 * from its bytes, so that releases can share it.
 *
 * @throws `IO` for a file that cannot be read
 */
export const filesRelease = async (
  systemVersion: string,
  paths: readonly string[],
  directory: string,
): Promise<ReleaseInput> => {
  const artifacts: ArtifactInput[] = [];
  for (const path of paths) artifacts.push(await fileArtifact(resolve(directory, path)));
  return { systemVersion, metadata: {}, artifacts };
};

/** @throws `IO` for a file that cannot be read */
export const fileArtifact = async (path: string, name?: string): Promise<ArtifactInput> =>
  artifactOf(path, { name, version: contentVersion(await measure({ path })) });

/** Semantic, as v1 documents may require, and without a number that could look like the file's age. */
const contentVersion = ({ sha256 }: Measured): string => `0.0.0-sha256-${sha256.slice(0, VERSION_DIGITS)}`;

const requireName = (name: string, path: string): void => {
  const problem = name.normalize('NFC') === name ? invisibleProblem(name) : 'is not in Unicode normal form C';
  if (problem !== undefined)
    throw usageError(
      `the artifact name ${quoted(name)} of the file ${path} ${problem}`,
      'give it another name: repo edit --add NAME=FILE, or name in a manifest',
    );
};

/** By default named after its file, and tagged as one. */
const artifactOf = (
  path: string,
  options: { name?: string | undefined; version: string; tags?: Record<string, string> | undefined },
): ArtifactInput => {
  // macOS decomposes the names of files, and a target has one spelling.
  const targetName = options.name ?? basename(path).normalize('NFC');
  requireName(targetName, path);
  return {
    path,
    targetName,
    version: options.version,
    tags: options.tags ?? { kind: 'file', name: targetName },
  };
};
