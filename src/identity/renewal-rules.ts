/**
 * When a certificate is renewed, and which one may take its place.
 *
 * RNW1. A certificate that begins in the future, by the clock of its own process, takes no place: the clock of who issued it is ahead,
 *      and a revocation of now would not cover it. The next attempt may reach another Nexus, or the same one with its clock set.
 *      A process whose clock is behind its own certificate, as after a boot without the time, cannot judge that, and takes it.
 * RNW2. A present certificate that begins in the future is due at once, and gives its place to one that counts now, although that one
 *      ends earlier.
 */

type Times = { readonly notBeforeMs: number; readonly notAfterMs: number };

/** @param belowMs it is due when less of its life is left */
export const isRenewalDue = (
  { notBeforeMs, notAfterMs }: Times,
  { nowMs, belowMs }: { readonly nowMs: number; readonly belowMs: number },
): boolean => notAfterMs - nowMs < belowMs || notBeforeMs > nowMs;

/** Why `next` does not replace `present`, for the words "the renewed certificate …"; undefined if it does. */
export const renewalFault = (next: Times, present: Times, nowMs: number): string | undefined => {
  const isClockBehind = present.notBeforeMs > nowMs;
  if (next.notBeforeMs > nowMs && !isClockBehind)
    return 'begins in the future here: compare the clocks of both machines';
  if (next.notAfterMs > present.notAfterMs || isClockBehind) return undefined;
  return 'does not last longer than the present one';
};
