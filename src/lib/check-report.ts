/** The checks of a verification, in order: the same for a person, an API and an error. */

export type ReportedCheck = {
  /** The clause of the TUF specification 1.0.34; null for our own checks. */
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

/** The limit of a report in an error: the last checks are the ones that explain it. */
export const MAX_REPORTED_CHECKS = 100;
