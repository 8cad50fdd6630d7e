import { readDatabaseMs } from '../../database-time.ts';
import type { NexusInvitationPort } from '../../ports/nexus-invitation-port.ts';
import type { Transactions } from '../../transactions.ts';
import { readRevocationMs } from '../revocations/revocation-rows.ts';
import { readNexusPolicy } from './nexus-invitation-rows.ts';

export const nexusStanding =
  (transactions: Transactions): NexusInvitationPort['nexusStanding'] =>
  (nexusId, wait) =>
    transactions.read(
      'nexus_standing',
      async db => ({
        policy: await readNexusPolicy(db, nexusId),
        revokedMs: await readRevocationMs(db, { kind: 'nexus', id: nexusId }),
        nowMs: await readDatabaseMs(db),
      }),
      wait,
    );
