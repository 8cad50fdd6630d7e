/**
 * The requests of Nexus to its database: the verbs of all ports, for modules that open a datastore or pass it on. Every
 * other module names the port that it uses. Several Nexus instances use one database without coordination, so each verb is
 * one SERIALIZABLE transaction, retried as a whole when the database aborts it (40001).
 *
 * DB1. The generation rises in the transaction that changes the wanted set, exactly when it changes (S8, B4);
 *      a digest of the set is stored with it and compared in that transaction. The same transaction records the new
 *      point permanently (P13).
 * DB2. Ids are made by Nexus, so that a statement whose commit is uncertain can be repeated until it is
 *      certain (P4): every insert here is idempotent for the same ids and content.
 * DB3. Nothing is deleted that the history needs: repositories are pruned (`time_pruned`), trust roots and
 *      sleds keep their rows.
 * DB4. A change by a person writes its entry of the audit log in the same transaction, last.
 */
import type { AuditPort } from './ports/audit-port.ts';
import type { DurabilityPort } from './ports/durability-port.ts';
import type { HistoryPort } from './ports/history-port.ts';
import type { InvitationPort } from './ports/invitation-port.ts';
import type { LocalRepoPort } from './ports/local-repo-port.ts';
import type { NexusInvitationPort } from './ports/nexus-invitation-port.ts';
import type { NexusPort } from './ports/nexus-port.ts';
import type { OperatorTokenPort } from './ports/operator-token-port.ts';
import type { ReleasePort } from './ports/release-port.ts';
import type { RevocationPort } from './ports/revocation-port.ts';
import type { SledPort } from './ports/sled-port.ts';
import type { StatementPort } from './ports/statement-port.ts';
import type { TargetReleasePort } from './ports/target-release-port.ts';
import type { TrustRootPort } from './ports/trust-root-port.ts';
import type { WantedSetPort } from './ports/wanted-set-port.ts';

export type Datastore = TrustRootPort &
  ReleasePort &
  WantedSetPort &
  LocalRepoPort &
  SledPort &
  NexusPort &
  TargetReleasePort &
  HistoryPort &
  DurabilityPort &
  OperatorTokenPort &
  InvitationPort &
  NexusInvitationPort &
  RevocationPort &
  StatementPort &
  AuditPort &
  AsyncDisposable;
