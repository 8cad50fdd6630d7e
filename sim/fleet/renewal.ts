/**
 * The renewal of a certificate, in the place of identity/renewal.ts, which reads and writes certificates themselves.
 *
 *     due? ─▶ a Nexus, or the own key of the authority ─▶ requireRenewable() ─▶ box
 */
import type { certificateApi } from '../../src/api/certificate-api.ts';
import type { Handlers } from '../../src/http/handlers.ts';
import { isRenewalDue, renewalFault } from '../../src/identity/renewal-rules.ts';
import { DepotError, errorCodeOf } from '../../src/lib/errors.ts';
import type { Logger } from '../../src/lib/log.ts';
import { type Passport, readPassport } from '../identity/passport.ts';
import { type Callee, type Caller, call } from '../network/call.ts';
import type { Network } from '../network/network.ts';
import { requestContext } from '../network/request-context.ts';
import type { Host } from './machine.ts';

export type CertificateEndpoint = { readonly certificates: Handlers<typeof certificateApi> };

/** Of a life of 30 days, a day; a shorter one is renewed as often within its life, but not more than each half minute. */
const RENEWALS_IN_LIFE = 30;
const LEAST_PERIOD_MS = 30_000;

type Renewal = {
  readonly lifeMs: number;
  readonly request: (signal: AbortSignal) => Promise<string>;
  readonly log: Logger;
};

/** As long as the process runs. */
export const renewPeriodically = ({ process, box }: Host, { lifeMs, request, log }: Renewal): void => {
  const periodMs = Math.max(LEAST_PERIOD_MS, lifeMs / RENEWALS_IN_LIFE);
  const renew = async (): Promise<void> => {
    const nowMs = process.clock.nowMs();
    if (!isRenewalDue(box.passport, { nowMs, belowMs: lifeMs - periodMs / 2 })) return;
    const next: Passport = readPassport(await request(process.clock.timeout(periodMs)), box.key.publicKey);
    const fault = renewalFault(next, box.passport, process.clock.nowMs());
    if (fault !== undefined) throw new DepotError('PEER_BAD_ANSWER', `the renewed certificate ${fault}`);
    const hadExpired = box.passport.notAfterMs < nowMs;
    box.passport = next;
    log.info({ had_expired: hadExpired }, 'the certificate of this process was renewed');
  };
  const again = (): void => {
    renew()
      .catch(err => log.warn({ err }, 'the certificate was not renewed'))
      .finally(() => process.after(periodMs, again));
  };
  process.after(periodMs, again);
};

/** Of the first Nexus that answers. */
export const renewAnywhere = async (
  {
    network,
    nexuses,
  }: { readonly network: Network; readonly nexuses: () => readonly Callee<CertificateEndpoint>[] },
  caller: Caller,
  signal: AbortSignal,
): Promise<string> => {
  let failure: unknown;
  for (const nexus of nexuses()) {
    try {
      const answer = await call(
        network,
        caller,
        nexus,
        { signal, isOnce: true, expected: { kind: 'nexus' } },
        incoming =>
          incoming.endpoint.certificates.certificateRenew({
            ...requestContext(incoming),
            params: {},
            query: {},
            body: undefined,
          }),
      );
      return answer.certificate_pem;
    } catch (error) {
      if (failure === undefined || errorCodeOf(error) !== 'NOT_FOUND') failure = error;
    }
  }
  throw failure;
};
