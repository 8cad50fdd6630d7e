/** Reasons on the wire. */
import type { Reason } from '../../api/operator-fleet-api.ts';
import type { HealthReason } from '../../core/health.ts';
import { isoTime } from '../../lib/clock.ts';

export const reasonView = (reason: HealthReason): Reason => ({
  code: reason.code,
  message: reason.message,
  ...(reason.sledId === undefined ? {} : { sled_id: reason.sledId }),
  ...(reason.sha256 === undefined ? {} : { sha256: reason.sha256 }),
  ...(reason.systemVersion === undefined ? {} : { system_version: reason.systemVersion }),
  ...(reason.sinceMs === undefined ? {} : { time_since: isoTime(reason.sinceMs) }),
});
