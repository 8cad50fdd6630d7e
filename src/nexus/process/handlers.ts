/** The handlers of a Nexus: each API with the parts that it needs, and the facts of the metrics. */

import type { certificateApi } from '../../api/certificate-api.ts';
import type { debugApi, plainDebugApi } from '../../api/debug-api.ts';
import type { internalApi } from '../../api/internal-api.ts';
import type { joinApi } from '../../api/join-api.ts';
import type { operatorAccessApi } from '../../api/operator-access-api.ts';
import type { operatorAuditApi } from '../../api/operator-audit-api.ts';
import type { operatorFleetApi } from '../../api/operator-fleet-api.ts';
import type { operatorHistoryApi } from '../../api/operator-history-api.ts';
import type { operatorInvitationApi } from '../../api/operator-invitation-api.ts';
import type { operatorRecoveryApi } from '../../api/operator-recovery-api.ts';
import type { operatorSourceApi } from '../../api/operator-source-api.ts';
import type { operatorStatementApi } from '../../api/operator-statement-api.ts';
import type { operatorUpdateApi } from '../../api/operator-update-api.ts';
import type { operatorUploadApi } from '../../api/operator-upload-api.ts';
import type { CertificateExpiry } from '../../core/certificate-expiry.ts';
import type { HealthReason } from '../../core/facts/reason.ts';
import type { NexusId } from '../../core/ids.ts';
import { createPendingJoins } from '../../core/pending-joins.ts';
import type { PendingSleds } from '../../core/pending-sleds.ts';
import type { Handlers } from '../../http/handlers.ts';
import type { KnownPeers } from '../../http/places.ts';
import type { AdminKeys } from '../../identity/admin-key.ts';
import { CERTIFICATE_LIFE_MS } from '../../identity/authority-files.ts';
import type { CertificateIssuer } from '../../identity/issuer.ts';
import type { Revocations } from '../../identity/revocations.ts';
import type { Clock } from '../../lib/clock.ts';
import { createCertificateApi } from '../api/certificate-api.ts';
import { createDebugApi, createPlainDebugApi } from '../api/debug-api.ts';
import { createFleetPins } from '../api/fleet-pins.ts';
import { createInternalApi } from '../api/internal-api.ts';
import { createJoinApi } from '../api/join-api.ts';
import { createOperatorAccessApi } from '../api/operator-access-api.ts';
import { createOperatorAuditApi } from '../api/operator-audit-api.ts';
import { createOperatorFleetApi, readFleetStatus } from '../api/operator-fleet-api.ts';
import { createOperatorHistoryApi } from '../api/operator-history-api.ts';
import { createOperatorInvitationApi } from '../api/operator-invitation-api.ts';
import { createOperatorRecoveryApi } from '../api/operator-recovery-api.ts';
import { createOperatorSourceApi } from '../api/operator-source-api.ts';
import { createOperatorStatementApi } from '../api/operator-statement-api.ts';
import { createOperatorUpdateApi } from '../api/operator-update-api.ts';
import { createOperatorUploadApi } from '../api/operator-upload-api.ts';
import { learnRevocations } from '../background/revocation-task.ts';
import { SOURCE_SYNC_TASK } from '../background/source-sync.ts';
import type { DatabaseWatch } from '../datastore/database-watch.ts';
import type { Datastore } from '../datastore/datastore.ts';
import type { History } from '../history/history.ts';
import { createOriginOf, createOriginOfMachine } from '../operators/audit-origin.ts';
import type { KnownTokens } from '../operators/known-tokens.ts';
import { REPLICATION_TASK } from '../replication/task.ts';
import { createDatabaseReader } from '../status/database-reading.ts';
import { deployedVersions } from '../status/deployed-versions.ts';
import type { MetricFacts } from '../status/metrics.ts';
import { replicationSummary, targetProgress } from '../status/update-summary.ts';
import type { NexusConfig } from './config.ts';
import type { Intake } from './intake.ts';
import type { Tasks } from './start-tasks.ts';

export type NexusHandlers = {
  readonly operatorUpdate: Handlers<typeof operatorUpdateApi>;
  readonly operatorUpload: Handlers<typeof operatorUploadApi>;
  readonly operatorFleet: Handlers<typeof operatorFleetApi>;
  readonly operatorRecovery: Handlers<typeof operatorRecoveryApi>;
  readonly operatorSource: Handlers<typeof operatorSourceApi>;
  readonly operatorHistory: Handlers<typeof operatorHistoryApi>;
  readonly operatorAccess: Handlers<typeof operatorAccessApi>;
  readonly operatorInvitation: Handlers<typeof operatorInvitationApi>;
  readonly operatorAudit: Handlers<typeof operatorAuditApi>;
  readonly operatorStatement: Handlers<typeof operatorStatementApi>;
  readonly debug: Handlers<typeof debugApi>;
  readonly plainDebug: Handlers<typeof plainDebugApi>;
  readonly internal: Handlers<typeof internalApi>;
  /** For sleds without an identity. */
  readonly plainInternal: Handlers<typeof internalApi>;
  readonly certificates: Handlers<typeof certificateApi>;
  readonly join: Handlers<typeof joinApi>;
  /** For which the internal API keeps places. */
  readonly knownSleds: KnownPeers;
  readonly metrics: (options: { signal: AbortSignal }) => Promise<MetricFacts>;
};

type Parts = Pick<Intake, 'staging' | 'uploads'> &
  Tasks & {
    readonly config: NexusConfig;
    readonly clock: Clock;
    readonly datastore: Datastore;
    readonly watch: DatabaseWatch;
    readonly nexus: { readonly id: NexusId; readonly timeStartedMs: number };
    readonly history: History;
    readonly tokens: KnownTokens;
    /** Generates the ids of trust roots, tokens, and entries of the audit log. */
    readonly newId: () => string;
    readonly activateReplication: () => void;
    readonly issuer?: CertificateIssuer | undefined;
    readonly revocations: Pick<Revocations, 'add' | 'timeOf' | 'isUndone'>;
    readonly adminKeys: AdminKeys;
    readonly fleet: string;
    readonly pendingSleds: PendingSleds;
    readonly notices: () => readonly HealthReason[];
    readonly certificates: () => readonly CertificateExpiry[];
  };

export const createHandlers = (parts: Parts): NexusHandlers => {
  const { config, datastore, history, nexus, driver, sources } = parts;
  const { note } = history;
  const { observer } = parts.replication;
  const pendingJoins = createPendingJoins();
  const originOf = createOriginOf({ ...parts, nexusId: nexus.id });
  const pins = createFleetPins(parts);
  const deployed = () => deployedVersions(observer.latest());
  const fleetParts = {
    ...parts,
    ...{ originOf, observer, nexusId: nexus.id },
    readDatabase: createDatabaseReader(parts),
    minSledReplication: config.replication.minSledReplication,
    plainListen: config.plainListen,
    debugListen: config.debugListen,
    certificateLifeMs: config.identity === undefined ? 0 : CERTIFICATE_LIFE_MS,
  };
  return {
    operatorUpdate: createOperatorUpdateApi({
      ...parts,
      ...{ note, originOf, signatures: config.signatures },
      releaseProgress: version => targetProgress(observer.latest(), version),
      replicationSummary: () =>
        replicationSummary(observer.latest(), {
          timeLastPlannedMs: observer.timeLastPlannedMs() ?? nexus.timeStartedMs,
          suspended: !driver.status(REPLICATION_TASK).periodic,
        }),
    }),
    operatorUpload: createOperatorUploadApi(parts),
    operatorFleet: createOperatorFleetApi(fleetParts),
    operatorRecovery: createOperatorRecoveryApi({ ...parts, note, originOf }),
    operatorSource: createOperatorSourceApi({
      datastore,
      originOf,
      sources,
      activateSync: () => driver.activate(SOURCE_SYNC_TASK),
      maxBytes: config.limits.repositoryBytes,
    }),
    operatorHistory: createOperatorHistoryApi({ datastore, history }),
    knownSleds: parts.liveness.answeringHosts,
    metrics: async options => ({
      ...(await readFleetStatus(fleetParts, options)),
      sources: sources.list(),
      certificates: parts.certificates(),
    }),
    operatorAccess: createOperatorAccessApi({ ...parts, originOf }),
    operatorInvitation: createOperatorInvitationApi({ ...parts, originOf, pins, pendingJoins }),
    operatorAudit: createOperatorAuditApi(parts),
    operatorStatement: createOperatorStatementApi({ ...parts, originOf }),
    debug: createDebugApi({ ...parts, originOf, deployedVersions: deployed }),
    plainDebug: createPlainDebugApi({ driver, deployedVersions: deployed }),
    join: createJoinApi({
      ...parts,
      ...{ note, pins, pendingJoins },
      learnRevocations: options => learnRevocations(parts, options),
      originOfMachine: createOriginOfMachine({ ...parts, nexusId: nexus.id }),
    }),
    internal: createInternalApi({ ...parts, note }),
    plainInternal: createInternalApi({ ...parts, note, admits: 'plain' }),
    certificates: certificateHandlers(parts),
  };
};

const certificateHandlers = ({
  datastore,
  issuer,
  revocations,
  replication: { observer },
}: Parts): Handlers<typeof certificateApi> =>
  createCertificateApi({
    datastore,
    issuer,
    revokedMs: revocations.timeOf,
    isUndone: revocations.isUndone,
    sledsInService: () => {
      const latest = observer.latest();
      return latest && { ids: new Set(latest.sleds.map(({ id }): string => id)), timeMs: latest.timeMs };
    },
  });
