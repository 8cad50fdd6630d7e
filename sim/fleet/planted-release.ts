/**
 * What a Nexus that was taken over plants, and what it says vouches for it:
 *
 *     bytes of its own ── metadata that it signed itself, or none ────────────┐
 *     bytes of a release for which a person has to sign ── its real bundle ───┴─▶ in its own name, or in that of another release
 *
 * PLR1. A real release is planted before and after a person has signed for it, and for another one like it.
 */
import type { EncodedBundle } from '../../src/bundle/bundle.ts';
import type { SystemVersion } from '../../src/core/ids.ts';
import type { Rng } from '../../src/core/rng.ts';
import { pick } from '../time/streams.ts';
import { FORGED_VERSION } from './forged-bundles.ts';
import type { World } from './world.ts';

export type PlantedRelease = {
  readonly bytes: Uint8Array;
  readonly bundle: Pick<EncodedBundle, 'sha256' | 'bytes'>;
  readonly systemVersion: SystemVersion;
  /** The root of its signer, where no sled has pinned it. */
  readonly root: Uint8Array | undefined;
};

type Deps = {
  readonly world: Pick<World, 'shelf' | 'trace'>;
  readonly rng: Rng;
  /** Bytes that no release lists. */
  readonly planted: readonly Uint8Array[];
};

export const drawPlantedRelease = async ({ world, rng, planted }: Deps): Promise<PlantedRelease> => {
  const { shelf, trace } = world;
  const special = await shelf.special();
  if (rng.below(2) === 0) {
    const bytes = pick(rng, planted);
    const bundle = await shelf.forge(bytes, rng.below(2) === 0);
    const systemVersion = rng.below(2) === 0 ? FORGED_VERSION : pick(rng, special).systemVersion;
    return { bytes, bundle, systemVersion, root: undefined };
  }
  const { artifacts, verified, systemVersion, signer, needs } = pick(rng, special);
  // Another release, which is signed, may list those that it shares.
  const own = [...artifacts.keys()].find(sha256 => shelf.listing(sha256).length === 1);
  const bytes = own && shelf.contentOf(own);
  if (bytes === undefined || verified.bundle === undefined)
    throw new Error('each of these releases has an artifact of its own, and a bundle');
  trace.reached('a hostile caller sent a release for which a person has to sign');
  return {
    ...{ bytes, bundle: verified.bundle, systemVersion },
    root: needs?.kind === 'trust_root' ? signer.root : undefined,
  };
};
