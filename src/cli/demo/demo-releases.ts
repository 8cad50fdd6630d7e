/** The two releases of the demo: signed with a key made for it, the second sharing artifacts with the first. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { inc } from 'semver';
import { openArchive } from '../../archive/archive.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import { openRandomAccessFile } from '../../lib/random-access-file.ts';
import { namingFull } from '../../lib/real-disk.ts';
import type { DemoFile, DemoFiles } from '../../local-fleet/demo-files.ts';
import { type ArtifactInput, assembleRelease } from '../../signing/assemble.ts';
import { keysForAllRoles } from '../../signing/sign-metadata.ts';
import { generateSigningKey } from '../../signing/signing-keys.ts';
import type { VerifiedRelease } from '../../verify/verified-release.ts';

const FIRST_VERSION = '1.0.0';
const SECOND_VERSION = '1.1.0';
/** Of files that both releases list: the same artifact has the same version in both. */
const SHARED_VERSION = '1.0.0';
const EXPIRES_AFTER_MS = 24 * 60 * 60 * 1000;
/** Artifacts of a user's own archive are copied out of it first. */
const MAX_SHARED_BYTES = 256 * 1024 ** 2;

export type DemoArtifact = {
  readonly sha256: ArtifactHash;
  readonly sizeBytes: number;
  readonly targetName: string;
};

export type DemoRelease = {
  readonly path: string;
  readonly version: string;
  readonly sizeBytes: number;
  /** By hash: a file in two roles is one artifact. */
  readonly artifacts: ReadonlyMap<ArtifactHash, DemoArtifact>;
};

export const artifactMap = (artifacts: readonly DemoArtifact[]): ReadonlyMap<ArtifactHash, DemoArtifact> =>
  new Map(artifacts.map(artifact => [artifact.sha256, artifact]));

/** The hashes of `release` that `other` does not list. */
export const unshared = (release: DemoRelease, other: DemoRelease): ReadonlySet<ArtifactHash> =>
  new Set(release.artifacts.keys()).difference(new Set(other.artifacts.keys()));

/** Assembles releases that one key signs, each under the root of the first. */
const createAssembler = (directory: string, nowMs: number) => {
  const keys = keysForAllRoles([generateSigningKey()]);
  let root: Uint8Array | undefined;
  let version = 0;
  return async (systemVersion: string, artifacts: readonly ArtifactInput[]): Promise<DemoRelease> => {
    version += 1;
    const assembled = await assembleRelease({
      systemVersion,
      format: 'v2',
      artifacts,
      keys,
      expiresMs: nowMs + EXPIRES_AFTER_MS,
      versions: { timestamp: version, snapshot: version, targets: version },
      ...(root !== undefined && { rootChain: [root] }),
      outputPath: join(directory, `release-${systemVersion}.zip`),
    });
    root = assembled.trustRoot;
    const { path, sizeBytes, release } = assembled;
    return { path, sizeBytes, version: release.systemVersion, artifacts: artifactMap(release.artifacts) };
  };
};

const fileArtifact = ({ path, name }: DemoFile, version: string): ArtifactInput => ({
  path,
  targetName: name,
  version,
  tags: { kind: 'file', name },
});

/** Two releases from real files. */
export const assembleDemoReleases = async (
  files: DemoFiles,
  directory: string,
  nowMs: number,
): Promise<{ first: DemoRelease; second: DemoRelease }> => {
  const assemble = createAssembler(directory, nowMs);
  const shared = files.shared.map(file => fileArtifact(file, SHARED_VERSION));
  const own = (only: readonly DemoFile[], version: string) => only.map(file => fileArtifact(file, version));
  return {
    first: await assemble(FIRST_VERSION, [...shared, ...own(files.firstOnly, FIRST_VERSION)]),
    second: await assemble(SECOND_VERSION, [...shared, ...own(files.secondOnly, SECOND_VERSION)]),
  };
};

/** A release that follows the user's own: some of its artifacts unchanged, and new files. */
export const assembleSuccessor = async (
  first: { readonly path: string; readonly verified: VerifiedRelease },
  newFiles: readonly DemoFile[],
  directory: string,
  options: { nowMs: number; signal: AbortSignal },
): Promise<DemoRelease> => {
  const { systemVersion, artifacts } = first.verified.description;
  const version = inc(systemVersion, 'minor') ?? SECOND_VERSION;
  const taken = await extractShared(first, directory, options.signal);
  return createAssembler(directory, options.nowMs)(version, [
    ...artifacts.flatMap(({ sha256, targetName, version: artifactVersion, tags }) => {
      const path = taken.get(sha256);
      return path === undefined ? [] : [{ path, targetName, version: artifactVersion, tags }];
    }),
    ...newFiles.map(file => fileArtifact(file, version)),
  ]);
};

/** The smaller half of the artifacts, as far as they are small; by hash, where they were copied to. */
const extractShared = async (
  { path, verified }: { readonly path: string; readonly verified: VerifiedRelease },
  directory: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<ArtifactHash, string>> => {
  const bySize = [...verified.entries].toSorted(([, a], [, b]) => a.sizeBytes - b.sizeBytes);
  await using file = await openRandomAccessFile(path);
  const archive = await openArchive(file);
  const taken = new Map<ArtifactHash, string>();
  let bytes = 0;
  for (const [sha256, { entryName, sizeBytes }] of bySize.slice(0, Math.floor(bySize.length / 2))) {
    bytes += sizeBytes;
    const entry = archive.entries.get(entryName);
    if (bytes > MAX_SHARED_BYTES || entry === undefined) break;
    const copy = join(directory, sha256);
    // A chunk is valid only until the next one is pulled, and a stream keeps its chunks.
    const chunks = async function* () {
      for await (const chunk of archive.read(entry, { signal })) yield Buffer.from(chunk);
    };
    await namingFull(directory, () => pipeline(chunks, createWriteStream(copy), { signal }));
    taken.set(sha256, copy);
  }
  return taken;
};
