/**
 * The checks of each update of a trusted set, in order, by clause of the TUF specification 1.0.34, with the error codes
 * of a failure.
 */
import type { ErrorCode } from '../lib/error-codes.ts';

export type Clause = {
  readonly clause: string;
  /** The result of a passed check: the end of a sentence about the role. */
  readonly what: string;
  readonly codes: readonly ErrorCode[];
};

const signed = (clause: string, what = 'is signed to its threshold'): Clause => ({
  clause,
  what,
  codes: ['METADATA_INVALID', 'VERIFICATION_LIMIT', 'UNTRUSTED_SIGNATURES'],
});
const listed = (clause: string, by: string): Clause => ({
  clause,
  what: `has the length, the hashes and the version that ${by} lists`,
  codes: ['METADATA_MISMATCH', 'METADATA_MISSING'],
});
const notOlder = (clause: string, what = 'is not older than the version trusted before'): Clause => ({
  clause,
  what,
  codes: ['METADATA_ROLLBACK'],
});
const unexpired = (clause: string): Clause => ({
  clause,
  what: 'has not expired',
  codes: ['METADATA_EXPIRED'],
});

export const CLAUSES = {
  root: [
    signed('5.3.4', 'is signed to their thresholds by the root before it and by itself'),
    { clause: '5.3.5', what: 'is the next version after the root before it', codes: ['METADATA_MISMATCH'] },
  ],
  lastRoot: [notOlder('5.3.5'), unexpired('5.3.10')],
  timestamp: [signed('5.4.2'), notOlder('5.4.3'), unexpired('5.4.4')],
  snapshot: [
    listed('5.5.2, 5.5.4', 'the timestamp'),
    signed('5.5.3'),
    notOlder('5.5.5', 'lists no older version than the one trusted before'),
    unexpired('5.5.6'),
  ],
  targets: [listed('5.6.2, 5.6.4', 'the snapshot'), signed('5.6.3'), unexpired('5.6.5')],
  delegated: [
    listed('5.6.2, 5.6.4', 'the snapshot'),
    signed('5.6.7', 'is signed by the keys of the role that delegates to it'),
    unexpired('5.6.5'),
  ],
} as const satisfies Record<string, readonly Clause[]>;
