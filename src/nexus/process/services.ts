/**
 * A Nexus without its servers, started in the order of its dependencies:
 *
 *     datastore ─▶ heartbeat ─▶ history ─▶ intake: staging adopted (P4) ─▶ tasks: the driver ─▶ handlers
 *
 * and stopped in reverse: uploads settle, tasks stop, archives are closed, the history is written to its end, and at last
 * the database's connections close.
 */
import { type CertificateExpiry, certificateReasons } from '../../core/certificate-expiry.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import type { NexusId, TrustRootId } from '../../core/ids.ts';
import { createPendingSleds, type PendingSleds } from '../../core/pending-sleds.ts';
import type { Rng } from '../../core/rng.ts';
import type { SeenCertificate } from '../../http/peers.ts';
import type { AdminKeys } from '../../identity/admin-key.ts';
import type { CertificateIssuer } from '../../identity/issuer.ts';
import { spiffeId } from '../../identity/peer-identity.ts';
import type { Revocations } from '../../identity/revocations.ts';
import type { Statements } from '../../identity/statements.ts';
import type { Clock } from '../../lib/clock.ts';
import { isOfDatabase } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import type { FetchRelease } from '../../source/fetch-release.ts';
import type { FollowArchive } from '../../verify/follow-archive.ts';
import type { Driver } from '../background/driver.ts';
import { createRefusalWriter, type Refusals, type RefusalWriter } from '../background/refusals-task.ts';
import { announcingRoots, TRUST_ROOT_TASK } from '../background/trust-root-task.ts';
import type { DatabaseWatch } from '../datastore/database-watch.ts';
import type { Datastore } from '../datastore/datastore.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';
import type { HistoryPort } from '../datastore/ports/history-port.ts';
import type { NexusInvitationPort } from '../datastore/ports/nexus-invitation-port.ts';
import type { Wait } from '../datastore/ports/verb.ts';
import { waitForDatabase } from '../datastore/wait-for-database.ts';
import { createHistory, type History } from '../history/history.ts';
import { originOfNexus } from '../operators/audit-origin.ts';
import { createKnownTokens, type KnownTokens } from '../operators/known-tokens.ts';
import type { StagingDirectory } from '../releases/staging/directory.ts';
import type { Staging } from '../releases/staging/staging.ts';
import type { VerifyRelease } from '../releases/upload/check-archive.ts';
import { createLostSets } from '../releases/upload/lost-sets.ts';
import type { VerifyRoots } from '../releases/upload/root-upload.ts';
import type { UploadWaits } from '../releases/upload/uploads.ts';
import { createReplicationTrigger } from '../replication/trigger.ts';
import type { NexusConfig } from './config.ts';
import { createHandlers, type NexusHandlers } from './handlers.ts';
import { startIntake } from './intake.ts';
import { startTasks, type Tasks } from './start-tasks.ts';

export type Services = NexusHandlers & {
  readonly driver: Driver;
  readonly staging: Staging;
  readonly tokens: KnownTokens;
  /** Undefined while the database is away. */
  readonly databaseTimeMs: (wait: Wait) => Promise<number | undefined>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export type ServiceDeps = {
  readonly config: NexusConfig;
  readonly directory: StagingDirectory;
  readonly operatorAddress: string;
  readonly openDatastore: (options: { signal: AbortSignal }) => Promise<Datastore>;
  /** Of this process, and of those that it has connected to. */
  readonly certificates?: () => readonly SeenCertificate[];
  /** Undefined for a Nexus without the authority's key. */
  readonly issuer?: CertificateIssuer | undefined;
  readonly revocations: Pick<Revocations, 'list' | 'add' | 'timeOf' | 'isUndone'>;
  readonly statements: Statements;
  /** By which this Nexus verifies statements. */
  readonly adminKeys: AdminKeys;
  /** In its certificate. */
  readonly fleet: string;
  /** False for a simulated Nexus, whose sleds keep no heads of the audit log. */
  readonly tellsAuditHeads: boolean;
  /** Of the servers; undefined for a simulated Nexus, which has none. */
  readonly refusals?: Refusals | undefined;
  readonly connectSleds: () => SledConnection & AsyncDisposable;
  readonly verifyRelease: VerifyRelease;
  readonly followArchive: FollowArchive;
  readonly verifyRoots: VerifyRoots;
  readonly fetchRelease: FetchRelease<TrustRootId>;
  readonly freeBytes: (path: string) => Promise<number>;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Generates the ids of uploads, releases, trust roots, tokens, and events of the history and of the audit log. */
  readonly newId: () => string;
  readonly log: Logger;
  readonly watch: DatabaseWatch;
  readonly uploadWaits?: UploadWaits;
  /** Of the prefix digests that `verifyRelease` collects; `PREFIX_UNIT_BYTES` unless it is given. */
  readonly prefixUnitBytes?: number;
};

/** Waits for a database that does not answer. @throws `SCHEMA_VERSION` */
export const startServices = async (
  deps: ServiceDeps,
  { signal }: { signal: AbortSignal },
): Promise<Services> => {
  const { directory, operatorAddress, clock } = deps;
  await using stack = new AsyncDisposableStack();
  const { watch } = deps;
  const patiently = <T>(attempt: () => Promise<T>) =>
    waitForDatabase(
      async () => {
        const answer = await attempt();
        watch.answered();
        return answer;
      },
      { ...deps, waitsFor: watch.failed },
      { signal },
    );

  const opened = watch.watched(stack.use(await patiently(() => deps.openDatastore({ signal }))));
  let driver: Driver | undefined;
  const datastore = announcingRoots(opened, () => driver?.activate(TRUST_ROOT_TASK));
  const nexus = { id: directory.nexusId, operatorAddress, timeStartedMs: clock.nowMs() };
  await patiently(() => datastore.nexusHeartbeat(nexus, { signal }));
  const refusalWriter = beginRefusals(stack, deps, datastore);
  const history = beginHistory(stack, deps, datastore);
  const tokens = stack.use(createKnownTokens({ datastore, clock, log: deps.log }));
  const trigger = createReplicationTrigger(deps);
  const lost = createLostSets();
  const parts = { ...deps, datastore, nexus, history, tokens, lost, activateReplication: trigger.activate };

  const intake = await startIntake({ ...parts, note: history.note }, patiently, { signal });
  stack.use(intake.localRepos);
  const tasks = startTasks(stack, { ...parts, intake, refusalWriter });
  driver = tasks.driver;
  trigger.connect(tasks.driver);
  watch.onReturn(tasks.driver.retryFailed);
  stack.use(intake.uploads); // stopped before the tasks: an upload that settles may still activate one

  const pendingSleds = createPendingSleds();
  const owned = stack.move();
  const certificates = () => certificatesInService(deps, tasks);
  const notices = () => [
    ...intake.notices(),
    ...trigger.notices(),
    ...tasks.sources.reasons(),
    ...tasks.database.reasons(),
    ...tasks.auditHeads.reasons(),
    ...certificateReasons(certificates(), clock.nowMs()),
    ...tokens.reasons(),
    ...pendingReasons(pendingSleds, clock.nowMs()),
  ];
  return {
    ...createHandlers({ ...parts, ...intake, ...tasks, pendingSleds, notices, certificates }),
    driver: tasks.driver,
    staging: intake.staging,
    tokens,
    databaseTimeMs: wait => databaseTimeMs(datastore, nexus.id, wait),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** RI4. */
const pendingReasons = (pending: PendingSleds, nowMs: number): readonly HealthReason[] =>
  pending
    .list(nowMs)
    .map(({ sledId, serial, address }) => ({ code: 'SLED_PENDING', sledId, serial, address }));

/** RIT1 */
const databaseTimeMs = async (
  datastore: Pick<NexusInvitationPort, 'nexusStanding'>,
  id: NexusId,
  wait: Wait,
): Promise<number | undefined> => {
  try {
    return (await datastore.nexusStanding(id, wait)).nowMs;
  } catch (error) {
    if (isOfDatabase(error)) return undefined;
    throw error;
  }
};

/** An expunged sled may be gone for good. */
const certificatesInService = (
  { certificates = () => [] }: Pick<ServiceDeps, 'certificates'>,
  { replication }: Pick<Tasks, 'replication'>,
): CertificateExpiry[] => {
  const inService = new Set(replication.observer.latest()?.sleds.map(({ id }): string => id));
  return certificates()
    .filter(({ identity }) => identity.kind === 'nexus' || inService.has(identity.id))
    .map(({ identity, notAfterMs }) => ({ process: spiffeId(identity), expiresMs: notAfterMs }));
};

/** Ends, written, after the servers and the tasks. */
const beginRefusals = (
  stack: AsyncDisposableStack,
  { refusals, directory: { nexusId }, clock, newId, log }: ServiceDeps,
  datastore: Pick<AuditPort, 'auditAppend'>,
): RefusalWriter | undefined => {
  if (refusals === undefined) return undefined;
  const newOrigin = () => originOfNexus({ nexusId, newId });
  const writer = createRefusalWriter({ refusals, datastore, newOrigin, clock });
  stack.defer(() => writer.writeRest(log));
  return writer;
};

/** Begins with the start, and ends, written, after everything that records events. */
const beginHistory = (
  stack: AsyncDisposableStack,
  { directory, clock, newId, log, operatorAddress }: ServiceDeps,
  datastore: Pick<HistoryPort, 'fleetEventInsert'>,
): History => {
  const { nexusId } = directory;
  const history = stack.use(
    createHistory({ datastore, nexusId, clock, newId, log: log.child({ component: 'history' }) }),
  );
  history.note({ kind: 'nexus_started', operatorAddress });
  stack.defer(() => history.note({ kind: 'nexus_stopped', operatorAddress }));
  return history;
};
