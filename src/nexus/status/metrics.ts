/**
 * Metrics for Prometheus: the verdict (B18), what it comes from, and when trust runs out.
 *
 * MT1. Few and low in cardinality: labels have a fixed set of values, or are the configured sources. Sleds, releases
 *      and artifacts are in the API and in the log.
 * MT2. Everything is read when it is asked for. While the database is away, what comes from it is what was read last,
 *      and `database_read_age_seconds` says how old that is.
 * MT3. They need a token, unless the configuration serves them to everybody: a scraper may have no way to keep a secret. They say
 *      nothing that MT1 keeps out, and nothing else is served with them.
 */
import { Gauge, Registry } from 'prom-client';
import type { FleetStatus } from '../../api/operator-fleet-api.ts';
import type { CertificateExpiry } from '../../core/certificate-expiry.ts';
import { ReleaseState } from '../../core/facts/event.ts';
import { Verdict } from '../../core/facts/reason.ts';
import { reasonCodes } from '../../core/health.ts';
import { RELEASE_ROLES } from '../../core/release.ts';
import type { Page } from '../../http/handlers.ts';
import type { SourceState } from '../releases/source/sources.ts';
import type { DatabaseReading } from './database-reading.ts';
import type { Expiries } from './expiry-warnings.ts';

export type MetricFacts = {
  readonly status: FleetStatus;
  readonly database: DatabaseReading;
  readonly sources: readonly SourceState[];
  /** Of processes in service. */
  readonly certificates: readonly CertificateExpiry[];
};

/** @param access who may read them: whoever has a token, or everybody (MT3) */
export const metricsPage = (
  read: (options: { signal: AbortSignal }) => Promise<MetricFacts>,
  access: 'operator' | 'public',
): Page => ({
  path: '/metrics',
  ...(access === 'public' ? { audience: 'public' } : { audience: 'operator', role: 'viewer' }),
  contentType: Registry.PROMETHEUS_CONTENT_TYPE,
  content: async options => metricsText(await read(options)),
});

/** In the text format of Prometheus. */
const metricsText = ({ status, database, sources, certificates }: MetricFacts): Promise<string> => {
  const registry = new Registry();
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> =>
    new Gauge({ name: `tuf_depot_${name}`, help, labelNames, registers: [registry] });
  fleetGauges(gauge, status);
  databaseGauges(gauge, database);
  if (database.known !== undefined) expiryGauges(gauge, database.known.facts.expiries);
  const failing = gauge(
    'source_failing',
    '1 while a followed repository is refused or cannot be read',
    'source',
  );
  for (const { config, failure } of sources)
    if (config.periodMs !== undefined)
      failing.set({ source: config.name }, failure === undefined || failure.isOutage ? 0 : 1);
  if (certificates.length > 0)
    gauge(
      'certificate_expires_timestamp_seconds',
      'When the first certificate of this Nexus and of the processes that it connects to expires',
    ).set(Math.min(...certificates.map(({ expiresMs }) => expiresMs)) / 1000);
  return registry.metrics();
};

type MakeGauge = <L extends string>(name: string, help: string, ...labelNames: L[]) => Gauge<L>;

const fleetGauges = (gauge: MakeGauge, status: FleetStatus): void => {
  const verdict = gauge('health_verdict', '1 for the verdict that holds, 0 for the others', 'verdict');
  for (const each of Verdict.options) verdict.set({ verdict: each }, each === status.verdict ? 1 : 0);
  const reasons = gauge('health_reasons', 'Reasons in the status, by code', 'code');
  const totals = new Map(status.reason_totals?.map(({ code, total }) => [code, total]));
  for (const code of Object.keys(reasonCodes)) reasons.set({ code }, totals.get(code) ?? 0);
  const releases = gauge('releases', 'Present releases, by state', 'state');
  for (const state of ReleaseState.options)
    releases.set({ state }, status.releases.filter(release => release.state === state).length);
  const sleds = gauge(
    'sleds',
    'Sleds in service, those of them that answer, and those without an identity',
    'state',
  );
  sleds.set({ state: 'in_service' }, status.sleds.in_service);
  sleds.set({ state: 'answering' }, status.sleds.answering);
  sleds.set({ state: 'plain' }, status.sleds.plain ?? 0);
  gauge('local_repos', 'Archives that this Nexus still holds').set(status.local_repos);
  gauge('uploads_in_progress', 'Uploads that are being received or verified').set(status.uploads_in_progress);
  gauge('requests_deferred', 'Requests left over by the last activation').set(status.requests_deferred);
};

const databaseGauges = (gauge: MakeGauge, { known, outage }: DatabaseReading): void => {
  gauge('database_available', '1 while the database answers, 0 while it does not').set(
    outage === undefined ? 1 : 0,
  );
  if (known === undefined) return;
  gauge(
    'database_read_age_seconds',
    'How long ago generation, Nexus instances and expiry were read: more than 0 while the database is away',
  ).set(known.ageMs / 1000);
  gauge('generation', 'Generation of the wanted set').set(known.facts.generation);
};

const expiryGauges = (gauge: MakeGauge, { releases, roots }: Expiries): void => {
  const soonest = gauge(
    'metadata_expires_timestamp_seconds',
    'When the first present release expires by this role; root: the first trust root',
    'role',
  );
  for (const role of RELEASE_ROLES) {
    const times =
      role === 'root'
        ? roots.map(({ expiresMs }) => expiresMs)
        : releases.flatMap(release =>
            release.roles.filter(each => each.role === role).map(({ expiresMs }) => expiresMs),
          );
    if (times.length > 0) soonest.set({ role }, Math.min(...times) / 1000);
  }
};
