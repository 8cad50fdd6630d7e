/** How far the clocks of two machines of a fleet may differ: a peer must not see a certificate of the future. */
export const CLOCK_TOLERANCE_MS = 3_600_000;
