/**
 * Warnings before certificates of processes expire.
 *
 * CX1. One reason for each stage, with the number of processes and the first of them, however many there are: a fleet whose
 *      renewal has stopped is one fault.
 * CX2. A certificate is renewed daily and lives a month, so that half of its life without a renewal is a warning.
 */
import type { HealthReason } from './facts/reason.ts';

const DAY_MS = 86_400_000;
/** Renewal has failed for two weeks. */
const CERTIFICATE_WARNING_DAYS = 14;
/** Within this time it degrades the verdict: an expired process is out of the fleet. */
const CERTIFICATE_SOON_DAYS = 3;

export type CertificateExpiry = {
  /** The name in the certificate. */
  readonly process: string;
  readonly expiresMs: number;
};

const STAGES = [
  { code: 'CERTIFICATE_EXPIRED', days: 0 },
  { code: 'CERTIFICATE_EXPIRES_SOON', days: CERTIFICATE_SOON_DAYS },
  { code: 'CERTIFICATE_EXPIRING', days: CERTIFICATE_WARNING_DAYS },
] as const;

export const certificateReasons = (
  certificates: readonly CertificateExpiry[],
  nowMs: number,
): readonly HealthReason[] => {
  const stageOf = ({ expiresMs }: CertificateExpiry) =>
    STAGES.find(({ days }) => expiresMs <= nowMs + days * DAY_MS);
  return STAGES.flatMap(stage => {
    const [first, ...others] = certificates
      .filter(each => stageOf(each) === stage)
      .sort((a, b) => a.expiresMs - b.expiresMs);
    if (first === undefined) return [];
    const { process, expiresMs } = first;
    return [{ code: stage.code, process, expiresMs, processes: 1 + others.length }];
  });
};
