/**
 * Renews the certificate of this process over the old one, once a day.
 *
 *     an hour ─▶ due? ─▶ request ─▶ same name, same key, same authority? ─▶ certificate file ─▶ the watch of credentials.ts
 *
 * RJ1. An answer replaces the file only if it is for the same name and key, is issued by a trusted authority, and expires later:
 *      renewal-rules.ts has the exceptions for clocks that were wrong.
 * RJ2. A renewal that fails is repeated in an hour; the status warns long before the certificate ends.
 * RJ3. Whether it is due is looked at each hour, not each day: a certificate that begins in the future, by a fault of who issued it, makes
 *      this process refuse its peers (CS4) until it is replaced.
 */
import { createPrivateKey } from 'node:crypto';
import { type Clock, isoTime } from '../lib/clock.ts';
import { writeFileDurably } from '../lib/durable-file.ts';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { CERTIFICATE_LIFE_MS } from './authority-files.ts';
import { countsSinceMs, identityOf } from './certificate.ts';
import { type CredentialSource, type Credentials, parseCertificates } from './credentials.ts';
import { spiffeId } from './peer-identity.ts';
import { isRenewalDue, renewalFault } from './renewal-rules.ts';

const DAY_MS = 86_400_000;
const PERIOD_MS = 3_600_000;
/** So a certificate of the fleet is due each day, and one of a year, from another authority, in its last month. */
const RENEWED_BELOW_MS = CERTIFICATE_LIFE_MS - DAY_MS;

export type RenewalDeps = {
  readonly credentials: CredentialSource;
  readonly certificateFile: string;
  /** A certificate in PEM. @throws `NOT_FOUND` if no Nexus of the fleet issues certificates */
  readonly request: (options: { signal: AbortSignal }) => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Until it is disposed. */
export const startRenewal = (deps: RenewalDeps): AsyncDisposable => {
  const stop = new AbortController();
  const running = keepRenewed(deps, stop);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
};

const keepRenewed = async (deps: RenewalDeps, { signal }: { signal: AbortSignal }): Promise<void> => {
  const { credentials, clock } = deps;
  while (!signal.aborted) {
    const isDue = isRenewalDue(credentials.current(), { nowMs: clock.nowMs(), belowMs: RENEWED_BELOW_MS });
    const isElsewhere = isDue && (await renew(deps, signal));
    await clock.sleep(isElsewhere ? DAY_MS : PERIOD_MS, { signal }).catch(() => undefined);
  }
};

/** @returns whether others see to it */
const renew = async (
  { credentials, certificateFile, request, clock, log }: RenewalDeps,
  signal: AbortSignal,
): Promise<boolean> => {
  try {
    const pem = await request({ signal });
    const notAfterMs = requireRenewal(pem, credentials.current(), clock.nowMs());
    await writeFileDurably(certificateFile, pem);
    log.info({ not_after: isoTime(notAfterMs) }, 'certificate renewed');
    return false;
  } catch (error) {
    if (signal.aborted) return false;
    const isElsewhere = errorCodeOf(error) === 'NOT_FOUND';
    if (isElsewhere)
      log.debug(
        { err: error },
        'this certificate is not renewed here: no Nexus of the fleet has the key of the authority',
      );
    else log.warn({ err: error }, 'the certificate was not renewed; the next attempt is in an hour');
    return isElsewhere;
  }
};

/** RJ1. @returns until when it is valid */
const requireRenewal = (pem: string, present: Credentials, nowMs: number): number => {
  const [certificate] = parseCertificates(pem, 'the renewed certificate');
  const identity = identityOf(certificate);
  const refuse = (why: string): never => {
    throw new DepotError('PEER_BAD_ANSWER', `the renewed certificate ${why}`);
  };
  if (identity === undefined || spiffeId(identity) !== spiffeId(present.identity))
    return refuse('has another name than this process');
  if (!certificate.checkPrivateKey(createPrivateKey(present.keyPem))) return refuse('is for another key');
  const authorities = parseCertificates(present.authoritiesPem, 'the authorities');
  if (!authorities.some(by => certificate.checkIssued(by) && certificate.verify(by.publicKey)))
    return refuse('was issued by none of the authorities of this process');
  const notAfterMs = certificate.validToDate.getTime();
  const fault = renewalFault({ notBeforeMs: countsSinceMs(certificate), notAfterMs }, present, nowMs);
  return fault === undefined ? notAfterMs : refuse(fault);
};
