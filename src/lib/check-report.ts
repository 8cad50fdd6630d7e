/** What a verification looked at, check by check: the same for a person, an API and an error. */

export type ReportedCheck = {
  /** Of the TUF specification 1.0.34 where the check is from there; null for checks of our own. */
  readonly clause: string | null;
  readonly outcome: 'passed' | 'failed' | 'overridden' | 'noted';
  /** One sentence for people. */
  readonly text: string;
  readonly role?: string;
  readonly version?: number;
  /** ISO 8601. */
  readonly expires?: string;
  /** From the time of the verification until then; negative once it has expired. */
  readonly expires_in_days?: number;
  /** Of the keys whose signatures counted. */
  readonly key_ids?: readonly string[];
};

/** A report that an error carries is no longer than this: the last checks are the ones that explain it. */
export const MAX_REPORTED_CHECKS = 100;
