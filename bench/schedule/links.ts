/**
 * Links shared by streams, without bytes: in each step of time every stream gets its fair share of the link of its sender and of that
 * of its receiver, and what one of them leaves goes to the others.
 */

export type Links = {
  /** What each machine can send, and receive, in one step. */
  readonly up: Float64Array;
  readonly down: Float64Array;
};

export type Stream = {
  readonly from: number;
  readonly to: number;
  /** What its source has for it in this step, and what of that it got. */
  wanted: number;
  got: number;
};

/** More passes give the last per cent of a link to those who can use it. */
const PASSES = 4;

/** Sets `got` of each stream: max-min fairness, to within what {@link PASSES} leave. */
export const shareLinks = (links: Links, streams: readonly Stream[]): void => {
  const [up, down] = [links.up.slice(), links.down.slice()];
  const [senders, receivers] = [new Uint32Array(up.length), new Uint32Array(down.length)];
  let open = streams.filter(stream => {
    stream.got = 0;
    return stream.wanted > 0;
  });
  for (let pass = 0; pass < PASSES && open.length > 0; pass += 1) {
    senders.fill(0);
    receivers.fill(0);
    for (const { from, to } of open) {
      senders[from]! += 1;
      receivers[to]! += 1;
    }
    const shares = open.map(({ from, to, wanted, got }) =>
      Math.min(up[from]! / senders[from]!, down[to]! / receivers[to]!, wanted - got),
    );
    for (const [n, stream] of open.entries()) {
      stream.got += shares[n]!;
      up[stream.from]! -= shares[n]!;
      down[stream.to]! -= shares[n]!;
    }
    open = open.filter(({ from, to, wanted, got }) => got < wanted && up[from]! > 1 && down[to]! > 1);
  }
};
