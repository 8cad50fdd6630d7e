/** Artifacts for tests, with short functions to write, read and list them. */
import { createHash } from 'node:crypto';
import type { ArtifactConfig } from '../../core/artifact-config.ts';
import type { DeletionRules } from '../../core/deletion.ts';
import { ArtifactHash, asGeneration, type Point, pointText } from '../../core/ids.ts';
import type { Predecessor } from '../../core/lineage.ts';
import { seededRng } from '../../core/rng.ts';
import type { PutResult } from '../../core/sled-report.ts';
import { pointOf } from './point.ts';
import type { ArtifactStore, StoredArtifact } from './store.ts';

/** For tests of everything but the waits of deletions. */
export const DELETION_AT_ONCE: DeletionRules = { waitMs: 0, limitPercent: 100, limitWaitMs: 0 };

export type TestArtifact = { readonly sha256: ArtifactHash; readonly bytes: Uint8Array };

/** The same seed gives the same bytes. */
export const testArtifact = (seed: number, sizeBytes = 5000): TestArtifact => {
  const rng = seededRng(seed);
  const bytes = Uint8Array.from({ length: sizeBytes }, () => rng.below(256));
  return { bytes, sha256: hashOf(bytes) };
};

export const hashOf = (bytes: Uint8Array): ArtifactHash =>
  ArtifactHash.parse(createHash('sha256').update(bytes).digest('hex'));

export const configOf = (generation: number, artifacts: readonly TestArtifact[]): ArtifactConfig => ({
  generation: asGeneration(generation),
  artifacts: new Map(artifacts.map(({ sha256, bytes }) => [sha256, bytes.length])),
});

export const neverAborted = new AbortController().signal;

/**
 * Like a Nexus whose database knows the store's point; `succeeds` for one whose database does not.
 *
 * @param unknownPoint of which `unknown` is said; one of an earlier version does not name it
 */
export const offer = (
  store: ArtifactStore,
  generation: number,
  artifacts: readonly TestArtifact[],
  succeeds: Predecessor | undefined = heldPoint(store) ?? 'unknown',
  unknownPoint?: Point,
) =>
  store.offerConfig({ ...configOf(generation, artifacts), succeeds, unknownPoint }, { signal: neverAborted });

/** Like a control plane without lineage. */
export const offerByNumber = (store: ArtifactStore, generation: number, artifacts: readonly TestArtifact[]) =>
  store.offerConfig(configOf(generation, artifacts), { signal: neverAborted });

export const heldPoint = (store: ArtifactStore): Point | undefined => {
  const config = store.config();
  return config && pointOf(config);
};

/** Of a database at the point of the store, if the numbers agree. */
const digestAt = (store: ArtifactStore, generation: number): string => {
  const held = heldPoint(store);
  return held?.generation === generation ? held.digest : '0'.repeat(64);
};

/** The answer to a registration; `isKnown` says of each point of the store whether the database recorded it. */
export const tellFloor = (
  store: ArtifactStore,
  generation: number,
  isKnown: (point: Point) => boolean = () => true,
): Promise<void> =>
  store.acceptFloor(
    { generation: asGeneration(generation), digest: digestAt(store, generation) },
    new Map(store.claims().map(claim => [pointText(claim), isKnown(claim)])),
  );

/** Puts at the store's own generation, in two chunks. */
export const put = async (
  store: ArtifactStore,
  { sha256, bytes }: TestArtifact,
  generation: number = store.config()?.generation ?? 1,
): Promise<PutResult> => {
  await using writer = await store.beginWrite(sha256, asGeneration(generation));
  const half = Math.floor(bytes.length / 2);
  await Promise.all([writer.write(bytes.subarray(0, half)), writer.write(bytes.subarray(half))]);
  return writer.commit();
};

export const bytesOf = async (artifact: StoredArtifact): Promise<Uint8Array> => {
  await using open = artifact;
  const bytes = new Uint8Array(open.sizeBytes);
  await open.read(bytes, 0);
  return bytes;
};

export const reconcile = (store: ArtifactStore) => store.reconcile('test', { signal: neverAborted });

/** How many datasets hold it, by the listing. */
export const copies = async (store: ArtifactStore, { sha256 }: TestArtifact): Promise<number> =>
  (await store.list()).artifacts.get(sha256) ?? 0;
