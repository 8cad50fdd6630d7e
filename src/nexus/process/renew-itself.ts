/**
 * The certificate of a Nexus itself, renewed until it is disposed: with its own issuer, or by another Nexus.
 *
 * RIT1. Its life counts by the clock of the database (RX6): the one of this Nexus may be a year off, and then its certificate would
 *      begin too late for its peers, or be over. It counts by its own clock only while the database is away.
 */
import type { CredentialSource } from '../../identity/credentials.ts';
import { type CertificateIssuer, issueOwn } from '../../identity/issuer.ts';
import { startRenewal } from '../../identity/renewal.ts';
import { renewAnywhere } from '../../join/renew-anywhere.ts';
import type { Clock } from '../../lib/clock.ts';
import { endpoint } from '../../lib/endpoint.ts';
import type { Logger } from '../../lib/log.ts';
import type { IdentifiedConfig } from './config.ts';
import type { Services } from './services.ts';

type Parts = {
  readonly credentials: CredentialSource;
  /** Undefined without the authority's key: then another Nexus renews the certificate. */
  readonly issuer: CertificateIssuer | undefined;
  readonly started: Promise<Pick<Services, 'databaseTimeMs'>>;
  readonly clock: Clock;
  readonly log: Logger;
};

/** A start waits for the database as long as that is away, and a certificate that has expired is needed before. */
const START_WAIT_MS = 60_000;

export const renewItself = (
  { otherNexuses, identity: { certificateFile } }: IdentifiedConfig,
  { credentials, issuer, started, clock, log }: Parts,
): AsyncDisposable => {
  const others = otherNexuses.map(address => endpoint('https', address, { kind: 'nexus' }));
  if (issuer === undefined && others.length === 0) return new AsyncDisposableStack();
  return startRenewal({
    credentials,
    certificateFile,
    async request(options) {
      if (issuer === undefined) return await renewAnywhere(others, credentials, options);
      const services = await within(START_WAIT_MS, started, { clock, ...options });
      const fromMs = await services?.databaseTimeMs(options);
      return issueOwn(issuer, credentials, { fromMs }).certificatePem;
    },
    clock,
    log: log.child({ component: 'identity' }),
  });
};

/** Undefined after `ms`, and for a promise that is rejected. @throws the signal's reason */
const within = async <T>(
  ms: number,
  awaited: Promise<T>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<T | undefined> => {
  const over = new AbortController();
  const pause = clock.sleep(ms, { signal: AbortSignal.any([signal, over.signal]) });
  const nothing = (): undefined => undefined;
  const first = await Promise.race([awaited.catch(nothing), pause.then(nothing, nothing)]);
  over.abort();
  signal.throwIfAborted();
  return first;
};
