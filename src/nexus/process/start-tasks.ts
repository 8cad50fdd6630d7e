/**
 * The background tasks of a Nexus, under one driver, with their shared connection to the sleds.
 *
 * They end in reverse order: activations stop, the puts in flight are aborted, and then connections close.
 */
import type { TrustRootId } from '../../core/ids.ts';
import type { Rng } from '../../core/rng.ts';
import type { Revocations } from '../../identity/revocations.ts';
import type { Statements } from '../../identity/statements.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection } from '../../sled-client/sled-connection.ts';
import type { FetchRelease } from '../../source/fetch-release.ts';
import { type AuditHeads, createAuditHeads } from '../background/audit-heads-task.ts';
import { type CommitDurabilityWatch, createCommitDurability } from '../background/commit-durability.ts';
import { createDriver, type Driver } from '../background/driver.ts';
import { fleetHistory, followHistory, HISTORY_TASK } from '../background/fleet-history.ts';
import { forgottenRoots } from '../background/forgotten-roots.ts';
import { heartbeatTask } from '../background/heartbeat.ts';
import type { RefusalWriter } from '../background/refusals-task.ts';
import { releaseBundles } from '../background/release-bundles.ts';
import { repoPruner } from '../background/repo-pruner.ts';
import { REVOCATION_TASK, revocationTask } from '../background/revocation-task.ts';
import { createSledLiveness, type SledLiveness } from '../background/sled-liveness.ts';
import { createSourceSync } from '../background/source-sync.ts';
import { STATEMENT_TASK, statementTask } from '../background/statement-task.ts';
import { trustRootTask } from '../background/trust-root-task.ts';
import type { Datastore } from '../datastore/datastore.ts';
import type { History } from '../history/history.ts';
import { createRequestLog } from '../history/request-log.ts';
import { originOfNexus } from '../operators/audit-origin.ts';
import { createSources, type Sources } from '../releases/source/sources.ts';
import type { StagingDirectory } from '../releases/staging/directory.ts';
import type { LostSets } from '../releases/upload/lost-sets.ts';
import { createReplicationEvents } from '../replication/events/replication-events.ts';
import { createReplication, type Replication, type ReplicationPolicy } from '../replication/task.ts';
import { DEFAULT_COLLECT_LIMITS } from '../sleds/sled-draft.ts';
import { DEFAULT_TRANSFER_WAITS } from '../transfers/fleet-transfers.ts';
import type { NexusConfig } from './config.ts';
import type { Intake } from './intake.ts';

export type Tasks = {
  readonly driver: Driver;
  readonly replication: Replication;
  readonly liveness: SledLiveness;
  readonly sources: Sources;
  readonly database: CommitDurabilityWatch;
  readonly auditHeads: Pick<AuditHeads, 'reasons'>;
  readonly connection: SledConnection;
  /** After a sled or a Nexus was expunged. */
  readonly announceRevocations: () => void;
  /** After a statement was recorded. */
  readonly announceStatements: () => void;
};

type Deps = {
  readonly config: NexusConfig;
  readonly directory: StagingDirectory;
  readonly datastore: Datastore;
  readonly nexus: Parameters<typeof heartbeatTask>[0]['nexus'];
  readonly history: History;
  readonly intake: Intake;
  readonly lost: LostSets;
  readonly revocations: Pick<Revocations, 'list' | 'add'>;
  readonly statements: Statements;
  /** False for a simulated Nexus, whose sleds keep no heads of the audit log. */
  readonly tellsAuditHeads: boolean;
  /** Undefined for a simulated Nexus, which has no servers. */
  readonly refusalWriter?: RefusalWriter | undefined;
  readonly connectSleds: () => SledConnection & AsyncDisposable;
  readonly fetchRelease: FetchRelease<TrustRootId>;
  /** Generates the nonces of rounds, and the ids of entries of the audit log. */
  readonly newId: () => string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly prefixUnitBytes?: number;
};

/** Each runs once at the start, and from then on by its period and its signals, until the stack is disposed. */
export const startTasks = (stack: AsyncDisposableStack, deps: Deps): Tasks => {
  const { config, datastore, nexus, history, intake, revocations, statements, clock, rng, log } = deps;
  const connection = stack.use(deps.connectSleds());
  const events = createReplicationEvents({ note: history.note, clock });
  const replication = stack.use(
    createReplication({
      ...deps,
      connection,
      staging: intake.staging,
      requests: createRequestLog({
        clock,
        log: log.child({ component: 'requests' }),
        onRequest: events.requested,
      }),
      history: events,
      note: history.note,
      policy: replicationPolicy(config),
    }),
  );
  const liveness = createSledLiveness({
    ...{ datastore, connection, clock },
    tagOf: replication.tagOf,
    onReturn: replication.sledReturned,
  });
  const { signatures } = config;
  const sources = createSources(config.sources);
  const database = createCommitDurability({ datastore, databaseUrl: config.databaseUrl });
  const newOrigin = () => originOfNexus({ ...deps, nexusId: nexus.id });
  const auditHeads = createAuditHeads({ datastore, connection, clock });
  const driver = stack.use(
    createDriver({
      tasks: [
        replication.task,
        liveness.task,
        createSourceSync({ ...deps, ...intake, sources, signatures }),
        heartbeatTask({ datastore, nexus }),
        revocationTask({ datastore, connection, revocations, clock }),
        statementTask({ datastore, connection, statements, clock }),
        ...(deps.tellsAuditHeads ? [auditHeads.task] : []),
        ...(deps.refusalWriter === undefined ? [] : [deps.refusalWriter.task]),
        trustRootTask({ datastore, connection, clock }),
        forgottenRoots({ datastore, connection, signatures, note: history.note, newOrigin, clock }),
        releaseBundles({ ...deps, ...intake }),
        database.task,
        repoPruner({
          ...{ datastore, note: history.note, ...config.pruner },
          newOrigin,
        }),
        fleetHistory({ history, datastore, clock, config: config.history }),
      ],
      clock,
      rng,
      log: log.child({ component: 'tasks' }),
    }),
  );
  stack.use(followHistory({ history, activate: () => driver.activate(HISTORY_TASK), clock }));
  const announce = {
    announceRevocations: () => driver.activate(REVOCATION_TASK),
    announceStatements: () => driver.activate(STATEMENT_TASK),
  };
  return { driver, replication, liveness, sources, database, auditHeads, connection, ...announce };
};

const replicationPolicy = ({ replication }: NexusConfig): ReplicationPolicy => ({
  periodMs: replication.periodMs,
  disable: replication.disable,
  minSledReplication: replication.minSledReplication,
  collectLimits: DEFAULT_COLLECT_LIMITS,
  transfers: {
    ...DEFAULT_TRANSFER_WAITS,
    limits: replication.limits,
    copyConcurrency: replication.copyConcurrency,
  },
});
