/** Reasons on the wire: the facts, and the English that people read. */
import type { Reason } from '../../api/operator-fleet-api.ts';
import { type Blocked, renderBlocked } from '../../core/facts/blocked.ts';
import { toDetails } from '../../core/facts/details.ts';
import type { Rendered } from '../../core/facts/phrase.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import { renderReason } from '../../core/facts/reason-text.ts';
import { isoTime } from '../../lib/clock.ts';

export const reasonView = (reason: HealthReason): Reason => ({
  ...factView(reason, renderReason(reason)),
  ...(reason.sledId !== undefined && { sled_id: reason.sledId }),
  ...(reason.sha256 !== undefined && { sha256: reason.sha256 }),
  ...(reason.systemVersion !== undefined && { system_version: reason.systemVersion }),
  ...(reason.sinceMs !== undefined && { time_since: isoTime(reason.sinceMs) }),
});

export const blockedView = (blocked: Blocked): Reason => ({
  ...factView(blocked, renderBlocked(blocked)),
  ...('sledId' in blocked && { sled_id: blocked.sledId }),
  sha256: blocked.sha256,
});

const factView = (fact: HealthReason | Blocked, { message, remedy }: Rendered): Reason => ({
  code: fact.code,
  message,
  ...(remedy !== undefined && { remedy }),
  details: toDetails(fact),
});
