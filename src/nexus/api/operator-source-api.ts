/** Handlers of the operator's API for sources and chains of trust roots. */
import type { operatorSourceApi, SourceView } from '../../api/operator-source-api.ts';
import type { Handlers } from '../../http/handlers.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { parseMetadata } from '../../tuf/metadata.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';
import type { TrustRootPort } from '../datastore/ports/trust-root-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';
import { sourceForOnce } from '../releases/source/source-config.ts';
import type { SourceState, Sources } from '../releases/source/sources.ts';

type Deps = {
  readonly datastore: Pick<TrustRootPort, 'trustRootChain'> & Pick<AuditPort, 'auditAppend'>;
  readonly originOf: OriginOf;
  readonly sources: Sources;
  readonly activateSync: () => void;
  /** Of a source that is not configured. */
  readonly maxBytes: number;
};

export const createOperatorSourceApi = ({
  datastore,
  originOf,
  sources,
  activateSync,
  maxBytes,
}: Deps): Handlers<typeof operatorSourceApi> => ({
  sourceList: async () => ({ items: sources.list().map(sourceView), next_page: null }),

  async sourceView({ params: { name } }) {
    const state = sources.get(name);
    if (state === undefined) throw noSource(name);
    return sourceView(state);
  },

  async sourceSync({ body: { source }, log, signal, ...request }) {
    const isAddress = /^https?:/i.test(source);
    const configured = sources
      .list()
      .find(({ config }) => config.name === source || (isAddress && isAt(config.metadataUrl, source)));
    if (configured === undefined && !isAddress) throw noSource(source);
    const config = configured?.config ?? sourceForOnce(source, maxBytes);
    const { name, metadataUrl } = config;
    await datastore.auditAppend(
      originOf(request),
      { kind: 'source_sync_requested', source: name, metadataUrl },
      { signal },
    );
    const state = sources.request(config);
    log.info({ source: state.config.name }, 'sync of a source requested by an operator');
    activateSync();
    return sourceView(state);
  },

  async trustRootChain({ params, signal }) {
    const chain = await datastore.trustRootChain(params.trust_root_id, { signal });
    if (chain === undefined)
      throw new DepotError('NOT_FOUND', `there is no trust root ${params.trust_root_id}`);
    return {
      roots: chain.map(bytes => {
        const { version, expiresMs } = parseMetadata('root', bytes).signed;
        return { version, expires: isoTime(expiresMs), root: Buffer.from(bytes).toString('utf8') };
      }),
    };
  },
});

const isAt = (metadataUrl: string, address: string): boolean =>
  metadataUrl === `${address.replace(/\/+$/, '')}/metadata`;

const noSource = (name: string): DepotError =>
  new DepotError(
    'NOT_FOUND',
    `there is no source ${name}; give its address, or the name of one in nexus.toml`,
  );

const sourceView = (state: SourceState): SourceView => {
  const { config, outcome, fetching, failure, timeAttemptMs, timeSuccessMs } = state;
  return {
    name: config.name,
    metadata_url: config.metadataUrl,
    targets_url: config.targetsUrl,
    period_secs: config.periodMs === undefined ? null : Math.round(config.periodMs / 1000),
    state: stateOf(state),
    ...(outcome !== undefined && {
      system_version: outcome.systemVersion,
      deleted_here: outcome.kind === 'deleted_here',
      ...(outcome.kind === 'recorded_again' && { fetched_again: true }),
    }),
    ...(fetching !== undefined && {
      fetching: {
        system_version: fetching.systemVersion,
        done_bytes: Math.max(0, fetching.doneBytes),
        total_bytes: fetching.totalBytes,
      },
    }),
    ...(timeAttemptMs !== undefined && { time_attempted: isoTime(timeAttemptMs) }),
    ...(timeSuccessMs !== undefined && { time_succeeded: isoTime(timeSuccessMs) }),
    ...(failure !== undefined && {
      error: { code: failure.code, message: failure.message, report: [...failure.report] },
    }),
  };
};

const stateOf = ({ isSyncing, isRequested, failure, outcome }: SourceState): SourceView['state'] => {
  if (isSyncing) return 'syncing';
  if (isRequested) return 'waiting';
  if (failure !== undefined) return failure.isRefusal ? 'refused' : 'failed';
  return outcome === undefined ? 'waiting' : 'current';
};
