/**
 * Artifacts that a sled still receives: what it passes on of them is right (G5), and none of them is listed (G4).
 *
 * ACK1. A file with the name of the artifact is held, and faults of a run damage such files: what is served from there is judged
 *       by its receiver.
 */
import type { ArtifactHash } from '../../src/core/ids.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Fail } from '../violation.ts';
import type { Holdings } from './holdings.ts';

export type ArrivingChecker = {
  /** After a sled sent these bytes, which begin at `position`, of an artifact that it received or held. */
  readonly onPassedOn: (sled: SimSled, sha256: ArtifactHash, sent: PassedOn) => void;
  /** After a sled listed these artifacts, with those of which it had files before. */
  readonly onListed: (sled: SimSled, listed: Iterable<string>, before: ReadonlySet<string>) => void;
};

type PassedOn = { readonly bytes: Uint8Array; readonly position: number };

export const createArrivingChecker = (
  { shelf }: Pick<World, 'shelf'>,
  holdings: Pick<Holdings, 'heldBy'>,
  fail: Fail,
): ArrivingChecker => ({
  onPassedOn(sled, sha256, { bytes, position }) {
    const right = shelf.contentOf(sha256)?.subarray(position, position + bytes.length);
    if (right === undefined || holdings.heldBy(sled).includes(sha256)) return; // ACK1
    if (Buffer.compare(right, bytes) !== 0)
      fail('G5', `${sled.plan.serial} passed on wrong bytes of ${sha256}, from byte ${position}`);
  },
  onListed(sled, listed, before) {
    const after = new Set<string>(holdings.heldBy(sled));
    for (const sha256 of listed)
      if (!before.has(sha256) && !after.has(sha256))
        fail('G4', `${sled.plan.serial} lists ${sha256}, of which it has no file`);
  },
});
