/**
 * The least time in which links can bring a release to every sled, whatever sends it.
 *
 * BL1. The origin sends each byte at least once. Each sled receives all of it. All links together send it once for each sled: with
 *      pieces of any smallness that is enough too (Kumar, Ross: Peer-assisted file distribution, 2006).
 * BL2. With pieces of a size, the last one that leaves the origin still has to double its copies until every sled has it.
 */

export type Links = {
  readonly sleds: number;
  /** Of the origin and of each sled, up and down. */
  readonly bytesPerSecond: number;
};

/** BL1. */
export const fluidBoundSeconds = ({ sleds, bytesPerSecond }: Links, releaseBytes: number): number => {
  const throughOrigin = releaseBytes / bytesPerSecond;
  const intoSled = releaseBytes / bytesPerSecond;
  const throughAll = (sleds * releaseBytes) / (bytesPerSecond + sleds * bytesPerSecond);
  return Math.max(throughOrigin, intoSled, throughAll);
};

/** BL2. */
export const pieceBoundSeconds = (links: Links, releaseBytes: number, pieceBytes: number): number => {
  const doublings = Math.floor(Math.log2(links.sleds));
  const seconds = (bytes: number) => bytes / links.bytesPerSecond;
  return Math.max(
    fluidBoundSeconds(links, releaseBytes),
    seconds(releaseBytes) + doublings * seconds(pieceBytes),
  );
};
