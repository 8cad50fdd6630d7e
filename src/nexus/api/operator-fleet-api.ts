/** Handlers of the operator's API for the fleet: everything here is derived from records and the last observation. */
import type { FleetStatus, NexusView, operatorFleetApi } from '../../api/operator-fleet-api.ts';
import { isSet } from '../../api/wire.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import { type NexusId, type RepoId, SystemVersion } from '../../core/ids.ts';
import type { Handlers } from '../../http/handlers.ts';
import { canonicalHost } from '../../http/request-guard.ts';
import { type Clock, isoTime } from '../../lib/clock.ts';
import type { SocketAddress } from '../../lib/endpoint.ts';
import { DepotError, isOfDatabase } from '../../lib/errors.ts';
import type { Driver } from '../background/driver.ts';
import { isSilent, NEXUS_SILENT_AFTER_MS } from '../background/heartbeat.ts';
import type { SledLiveness } from '../background/sled-liveness.ts';
import type { DatabaseWatch } from '../datastore/database-watch.ts';
import { pageOf } from '../datastore/paging.ts';
import type { HistoryPort } from '../datastore/ports/history-port.ts';
import type { LocalRepoPort } from '../datastore/ports/local-repo-port.ts';
import type { NexusPort, NexusRecord } from '../datastore/ports/nexus-port.ts';
import type { RecordedBundle, ReleasePort, RepoRecord } from '../datastore/ports/release-port.ts';
import type { SledPort } from '../datastore/ports/sled-port.ts';
import type { History } from '../history/history.ts';
import type { OriginOf } from '../operators/audit-origin.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { ReplicationObserver } from '../replication/observation.ts';
import { REPLICATION_TASK } from '../replication/task.ts';
import { artifactSummaries, artifactView } from '../status/artifact-view.ts';
import type { DatabaseReading, ReadDatabase } from '../status/database-reading.ts';
import { expiryReasonsOf } from '../status/expiry-warnings.ts';
import { fleetStatus } from '../status/fleet-status.ts';
import {
  lastKnownReleaseView,
  releaseView,
  unseenReleaseView,
  uploadedSince,
  withBundle,
} from '../status/release-view.ts';
import { sledView } from '../status/sled-view.ts';
import { recentEvents } from './operator-history-api.ts';
import { askedPage, pageView } from './results-page.ts';

type Deps = {
  readonly nexusId: NexusId;
  readonly datastore: SledPort &
    NexusPort &
    Pick<ReleasePort, 'repoGetByVersion' | 'bundleOfRepo' | 'artifactRoles'> &
    Pick<LocalRepoPort, 'localRepoList'> &
    Pick<HistoryPort, 'fleetEventList'>;
  readonly watch: Pick<DatabaseWatch, 'outage'>;
  readonly readDatabase: ReadDatabase;
  readonly staging: Pick<Staging, 'held' | 'uploadsInProgress'>;
  readonly observer: ReplicationObserver;
  readonly liveness: Pick<SledLiveness, 'of'>;
  readonly history: Pick<History, 'note' | 'flush'>;
  readonly driver: Driver;
  readonly announceRevocations: () => void;
  readonly originOf: OriginOf;
  readonly minSledReplication: number;
  readonly plainListen: SocketAddress | undefined;
  readonly debugListen: SocketAddress | undefined;
  /** 0 where the sleds have no certificates. */
  readonly certificateLifeMs: number;
  readonly clock: Clock;
  readonly notices: () => readonly HealthReason[];
};

type FleetHandlers = Handlers<typeof operatorFleetApi>;

export const createOperatorFleetApi = (deps: Deps): FleetHandlers => ({
  ...statusHandlers(deps),
  ...sledHandlers(deps),
  ...nexusHandlers(deps),
  ...artifactHandlers(deps),
});

/** Also answers while the database is away, with the last values read. */
export const readFleetStatus = async (
  deps: Deps,
  { signal }: { signal: AbortSignal },
): Promise<{ readonly status: FleetStatus; readonly database: DatabaseReading }> => {
  const database = await deps.readDatabase({ signal });
  const { known } = database;
  const expiring = known === undefined ? [] : expiryReasonsOf(known.facts.expiries, deps.clock);
  const replication = deps.driver.status(REPLICATION_TASK);
  const error = replication.last?.summary.error;
  const status = fleetStatus({
    ...deps,
    database,
    observation: deps.observer.latest(),
    replicationError: typeof error === 'string' ? error : undefined,
    replicationPaused: !replication.periodic,
    uploadsInProgress: deps.staging.uploadsInProgress(),
    localRepos: deps.staging.held().length,
    notices: [...deps.notices(), ...expiring],
  });
  return { status, database };
};

const statusHandlers = (deps: Deps) =>
  ({
    fleetStatus: async ({ signal }) => (await readFleetStatus(deps, { signal })).status,

    async releaseReplication({ params, signal }) {
      const version = SystemVersion.parse(params.system_version);
      const observation = deps.observer.latest();
      const seen = observation?.releases.find(release => release.progress.systemVersion === version);
      let repo: RepoRecord | undefined;
      let bundle: RecordedBundle | undefined;
      try {
        repo = await deps.datastore.repoGetByVersion(version, { signal });
        bundle = repo && (await deps.datastore.bundleOfRepo(repo.id, { signal }));
      } catch (error) {
        if (observation === undefined || seen === undefined || !isOfDatabase(error)) throw error;
        return lastKnownReleaseView(observation, seen, deps.watch.outage());
      }
      if (repo === undefined) throw new DepotError('NOT_FOUND', `there is no release ${version}`);
      if (observation === undefined || seen === undefined) {
        const { artifactCount, totalSizeBytes } = repo;
        const unseen = unseenReleaseView(version, artifactCount, totalSizeBytes, deps.minSledReplication);
        return withBundle(unseen, bundle);
      }
      const view = withBundle(releaseView(observation, seen), bundle);
      return seen.state === 'failed' && (await isLocalRepoHeld(deps.datastore, repo.id, signal))
        ? uploadedSince(view)
        : view;
    },
  }) satisfies Partial<FleetHandlers>;

const sledHandlers = ({
  datastore,
  observer,
  liveness,
  driver,
  announceRevocations,
  history,
  originOf,
  certificateLifeMs,
}: Deps) =>
  ({
    async sledList({ query, signal }) {
      const sleds = await datastore.sledList(askedPage(query), { signal });
      return pageView(sleds, sled => sledView(sled, observer.latest(), liveness.of(sled.id)));
    },

    async sledView({ params, signal }) {
      const sled = await datastore.sledGet(params.sled_id, { signal });
      if (sled === undefined) throw new DepotError('NOT_FOUND', `there is no sled ${params.sled_id}`);
      return sledView(sled, observer.latest(), liveness.of(sled.id));
    },

    async sledSetPolicy({ params, body, signal, log, ...request }) {
      const audit = originOf(request);
      const known = await datastore.sledSetPolicy(params.sled_id, body.policy, { signal, audit });
      if (!known) throw new DepotError('NOT_FOUND', `there is no sled ${params.sled_id}`);
      log.info({ sled_id: params.sled_id, policy: body.policy }, 'policy of a sled set by an operator');
      history.note({ kind: 'sled_policy', sledId: params.sled_id, policy: body.policy });
      driver.activate(REPLICATION_TASK); // B16
      announceRevocations();
    },

    async sledSetTransport({ params: { sled_id }, body, signal, log, ...request }) {
      const address = body.address === undefined ? undefined : canonicalHost(body.address);
      const transport =
        body.transport === 'tls' ? { kind: body.transport } : { kind: body.transport, address };
      const audit = originOf(request);
      const approved = await datastore.sledSetTransport(sled_id, transport, { signal, audit });
      log.info({ sled_id, plain_address: approved ?? null }, 'transport of a sled set by an operator');
      const plainAddress = approved === undefined ? {} : { plainAddress: approved };
      history.note({ kind: 'sled_transport', sledId: sled_id, ...plainAddress, because: 'operator' });
      driver.activate(REPLICATION_TASK);
      return { sled_id, transport: body.transport, ...(approved !== undefined && { address: approved }) };
    },

    async sledForget({ params, signal, log, ...request }) {
      const audit = originOf(request);
      const forgotten = await datastore.sledForget(params.sled_id, { certificateLifeMs }, { signal, audit });
      log.info({ sled_id: params.sled_id }, 'sled forgotten by an operator');
      if (forgotten !== undefined)
        history.note({ kind: 'sled_forgotten', sledId: params.sled_id, ...forgotten });
    },
  }) satisfies Partial<FleetHandlers>;

const nexusHandlers = ({ nexusId, datastore, driver, announceRevocations, history, originOf }: Deps) =>
  ({
    async nexusList({ signal }) {
      const nexuses = await datastore.nexusList({ signal });
      return { items: nexuses.map(nexus => nexusView(nexus, nexusId)), next_page: null };
    },

    async nexusExpunge({ params, query, signal, log, ...request }) {
      const audit = originOf(request);
      const rule = isSet(query.compromised) ? 'compromised' : NEXUS_SILENT_AFTER_MS;
      await datastore.nexusExpunge(params.nexus_id, rule, { signal, audit });
      log.info({ nexus_id: params.nexus_id }, 'Nexus expunged by an operator');
      history.note({ kind: 'nexus_expunged', expungedNexusId: params.nexus_id });
      driver.activate(REPLICATION_TASK);
      announceRevocations();
    },
  }) satisfies Partial<FleetHandlers>;

const artifactHandlers = ({ datastore, observer, history }: Deps) =>
  ({
    async artifactList({ query }) {
      const observation = observer.latest();
      const all = observation === undefined ? [] : artifactSummaries(observation);
      const page = askedPage(query);
      const rest = all.filter(({ sha256 }) => sha256 > (page.pageToken ?? ''));
      const shown = pageOf(
        rest,
        page,
        artifact => artifact,
        ({ sha256 }) => sha256,
      );
      return pageView(shown, artifact => artifact);
    },

    async artifactView({ params, signal }) {
      const roles = await datastore.artifactRoles(params.sha256, { signal });
      if (roles.length === 0)
        throw new DepotError('NOT_FOUND', `no release ever listed an artifact ${params.sha256}`);
      return artifactView({
        sha256: params.sha256,
        roles,
        localRepos: await datastore.localRepoList({ signal }),
        observation: observer.latest(),
        events: await recentEvents({ datastore, history }, params.sha256, { signal }),
      });
    },
  }) satisfies Partial<FleetHandlers>;

/** By any Nexus in service (P8). */
const isLocalRepoHeld = async (
  datastore: Deps['datastore'],
  repoId: RepoId,
  signal: AbortSignal,
): Promise<boolean> => {
  const [rows, nexuses] = await Promise.all([
    datastore.localRepoList({ signal }),
    datastore.nexusList({ signal }),
  ]);
  const inService = new Set(nexuses.filter(({ policy }) => policy === 'in_service').map(({ id }) => id));
  return rows.some(row => row.repoId === repoId && inService.has(row.nexusId));
};

const nexusView = (nexus: NexusRecord, self: NexusId): NexusView => ({
  id: nexus.id,
  policy: nexus.policy,
  liveness: isSilent(nexus) ? 'silent' : 'alive',
  is_self: nexus.id === self,
  operator_address: nexus.operatorAddress,
  time_started: isoTime(nexus.timeStartedMs),
  time_heartbeat: isoTime(nexus.timeHeartbeatMs),
  local_repos: nexus.localRepos,
});
