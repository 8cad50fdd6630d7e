/** The size of a local fleet. */

/** More processes than this are a mistake on one machine. */
export const MAX_NEXUSES = 8;
export const MAX_SLEDS = 64;

export const DEFAULT_FLEET_SIZE = { nexuses: 1, sleds: 4 };

/** Enough sleds that losing two loses no release; all of them if there are fewer (S24). */
const USUAL_MIN_SLED_REPLICATION = 3;

export const minSledReplication = (sleds: number): number => Math.min(USUAL_MIN_SLED_REPLICATION, sleds);
