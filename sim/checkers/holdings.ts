/**
 * The content of a simulated fleet's disks, read from the media: independent of the memory of processes, and also of volumes that
 * are unmounted or failing.
 */
import { type ArtifactHash, isArtifactHash, type NexusId, type UploadId } from '../../src/core/ids.ts';
import { STAGING } from '../fleet/nexus-machine.ts';
import { sha256Of } from '../fleet/sha256.ts';
import type { SimNexus, SimSled, World } from '../fleet/world.ts';
import type { DirectoryNode } from '../machine/medium.ts';
import type { Volume } from '../machine/volume.ts';
import type { Histories } from './histories.ts';
import { newestLedgerSeenOn } from './ledgers.ts';

export type Holdings = {
  readonly hashOf: (content: Uint8Array) => string;
  /** On how many of its volumes a sled has the artifact whole, durably. */
  readonly copiesOn: (sled: SimSled, sha256: ArtifactHash) => number;
  /** Whether it is on one of them, or in the mount point below one, where it is hidden but recoverable. */
  readonly has: (sled: SimSled, sha256: ArtifactHash) => boolean;
  /** Whether a durable archive in a staging directory has the artifact. */
  readonly isStaged: (nexus: SimNexus, sha256: ArtifactHash) => boolean;
  /** The same of the Nexus with this id. */
  readonly isStagedIn: (nexusId: NexusId, sha256: ArtifactHash) => boolean;
  /** Whether this Nexus has the archive of this upload. */
  readonly hasArchive: (nexusId: NexusId, uploadId: UploadId) => boolean;
  /** Of every Nexus, by upload. */
  readonly archives: () => readonly UploadId[];
  /** Whether the disks that count have a copy. */
  readonly isRecoverable: (sha256: ArtifactHash) => boolean;
  /**
   * The same, of copies that are meant to stay. A sled without the present config may delete its copy, and a Nexus may
   * remove an archive that was neither recorded nor acknowledged.
   */
  readonly isKept: (sha256: ArtifactHash) => boolean;
  /** Artifacts by name on one volume, as a process sees them. */
  readonly filesOn: (volume: Volume) => ReadonlyMap<ArtifactHash, Uint8Array>;
  /** Artifacts by name on any volume of a sled, or below one. */
  readonly heldBy: (sled: SimSled) => readonly ArtifactHash[];
  /** What the present releases list. */
  readonly wanted: () => ReadonlyMap<ArtifactHash, number>;
};

/** The id of the Nexus of a staging directory. */
export const nexusIdOn = ({ medium }: Volume): string | undefined => {
  const node = medium.top.durable.get('nexus-id');
  return node?.kind === 'file' ? Buffer.from(node.durable).toString('utf8').trim() : undefined;
};

/** The name of a file in staging begins with its upload; with or without the directory. */
export const uploadIdOf = (path: string): UploadId => {
  const start = path.lastIndexOf('/') + 1;
  return path.slice(start, start + 36) as UploadId;
};

/** Whether the sidecar says that the client got its answer, and has no mark of a drop. */
export const isPromised = ({ medium }: Volume, uploadId: string): boolean => {
  const { now, durable } = medium.top;
  const sidecar = durable.get(`${uploadId}.json`);
  if (!now.has(`${uploadId}.zip`) || sidecar?.kind !== 'file') return false;
  const { acknowledged, dropping } = JSON.parse(Buffer.from(sidecar.durable).toString('utf8'));
  return acknowledged === true && dropping !== true;
};

/** An empty artifact is never lost: it can be made at any time, and no spot check can miss it. */
const EMPTY = sha256Of(new Uint8Array());

export const createHoldings = (world: World, mayBeDropped: Histories['mayBeDropped']): Holdings => {
  const hashes = new WeakMap<Uint8Array, string>();
  const hashOf = (content: Uint8Array): string => {
    const known = hashes.get(content) ?? sha256Of(content);
    hashes.set(content, known);
    return known;
  };
  /** As processes see it and as it survives a power cut; a file that is only one of these does not count. */
  const isGood = ({ now, durable }: DirectoryNode, name: string, sha256: string): boolean => {
    const seen = now.get(name);
    const kept = durable.get(name);
    return (
      seen?.kind === 'file' &&
      kept?.kind === 'file' &&
      hashOf(seen.content) === sha256 &&
      hashOf(kept.durable) === sha256
    );
  };
  const copiesOn = ({ machine }: SimSled, sha256: ArtifactHash): number => {
    let copies = 0;
    for (const { medium } of machine.volumes.values()) if (isGood(medium.top, sha256, sha256)) copies += 1;
    return copies;
  };
  const has = (sled: SimSled, sha256: ArtifactHash): boolean =>
    copiesOn(sled, sha256) > 0 ||
    [...sled.machine.volumes.values()].some(({ medium }) => isGood(medium.mountPoint, sha256, sha256));
  const isStaged = (
    { machine }: SimNexus,
    sha256: ArtifactHash,
    counts: Counts['archive'] = always,
  ): boolean => {
    const volume = machine.volumes.get(STAGING)!;
    const { now, durable } = volume.medium.top;
    for (const [name, node] of durable) {
      if (node.kind !== 'file' || !name.endsWith('.zip') || now.get(name) !== node) continue;
      const release = world.shelf.byHash(hashOf(node.durable));
      if (release?.artifacts.has(sha256) === true && counts(volume, uploadIdOf(name))) return true;
    }
    return false;
  };
  const isSomewhere = (sha256: ArtifactHash, counts: Counts): boolean =>
    sha256 === EMPTY ||
    world.sleds.some(
      sled => sled.standing === 'in_service' && has(sled, sha256) && counts.sled(sled, sha256),
    ) ||
    world.nexuses.some(nexus => nexus.standing === 'in_service' && isStaged(nexus, sha256, counts.archive));
  const toKeep = meantToKeep(world, mayBeDropped);
  return {
    hashOf,
    copiesOn,
    has,
    isStaged,
    isStagedIn: (nexusId, sha256) =>
      world.nexuses.some(
        nexus => nexusIdOn(nexus.machine.volumes.get(STAGING)!) === nexusId && isStaged(nexus, sha256),
      ),
    ...archivesOf(world),
    isRecoverable: sha256 => isSomewhere(sha256, { sled: always, archive: always }),
    isKept: sha256 => isSomewhere(sha256, toKeep),
    filesOn,
    heldBy: ({ machine }) =>
      [...machine.volumes.values()].flatMap(({ medium }) =>
        [...medium.top.now.keys(), ...medium.mountPoint.now.keys()].filter(isArtifactHash),
      ),
    wanted: () => wantedIn(world),
  };
};

/** Which copies count. */
type Counts = {
  readonly sled: (sled: SimSled, sha256: ArtifactHash) => boolean;
  readonly archive: (volume: Volume, uploadId: UploadId) => boolean;
};

const always = () => true;

const meantToKeep = ({ database }: World, mayBeDropped: Histories['mayBeDropped']): Counts => ({
  /** A sled with an older config may delete it by a config in between, which is still in flight. */
  sled: (sled, sha256) => {
    const told = newestLedgerSeenOn(sled);
    if (told?.artifacts.has(sha256) !== true) return false;
    const isCurrent = told.generation === database.snapshot().stored.generation;
    return isCurrent || !mayBeDropped(told.generation, sha256);
  },
  archive: (volume, uploadId) => database.snapshot().localRepos.has(uploadId) || isPromised(volume, uploadId),
});

const archivesOf = ({ nexuses }: World): Pick<Holdings, 'hasArchive' | 'archives'> => ({
  hasArchive: (nexusId, uploadId) =>
    nexuses.some(({ machine }) => {
      const volume = machine.volumes.get(STAGING)!;
      return nexusIdOn(volume) === nexusId && volume.medium.top.now.has(`${uploadId}.zip`);
    }),
  archives: () =>
    nexuses.flatMap(({ machine }) =>
      [...machine.volumes.get(STAGING)!.medium.top.now.keys()]
        .filter(name => name.endsWith('.zip'))
        .map(uploadIdOf),
    ),
});

const filesOn = ({ medium }: Volume): ReadonlyMap<ArtifactHash, Uint8Array> =>
  new Map(
    [...medium.top.now].flatMap(([name, node]) =>
      isArtifactHash(name) && node.kind === 'file' ? [[name, node.content] as const] : [],
    ),
  );

const wantedIn = (world: World): ReadonlyMap<ArtifactHash, number> => {
  const artifacts = new Map<ArtifactHash, number>();
  for (const { repo, description } of world.database.snapshot().releases.values()) {
    if (repo.timePrunedMs !== null) continue;
    for (const { sha256, sizeBytes } of description.artifacts) artifacts.set(sha256, sizeBytes);
  }
  return artifacts;
};
