/**
 * The channel from changes of the wanted set to the replication task.
 *
 * A lost signal is an error in the status, and never fails a recorded change: the task's period replaces the signal (S15).
 */
import type { HealthReason } from '../../core/facts/reason.ts';
import { messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Driver } from '../background/driver.ts';
import { REPLICATION_TASK } from './task.ts';

export type ReplicationTrigger = {
  /** Never throws. Before the driver exists it does nothing: every task runs once when the driver starts. */
  readonly activate: () => void;
  readonly connect: (driver: Pick<Driver, 'activate'>) => void;
  /** That the last signal was lost. */
  readonly notices: () => readonly HealthReason[];
};

export const createReplicationTrigger = ({ log }: { log: Logger }): ReplicationTrigger => {
  let driver: Pick<Driver, 'activate'> | undefined;
  let lost: HealthReason | undefined;
  return {
    connect(to) {
      driver = to;
    },
    activate() {
      try {
        driver?.activate(REPLICATION_TASK);
        lost = undefined;
      } catch (err) {
        log.error({ err }, 'replication cannot be activated');
        lost = { code: 'REPLICATION_ERROR', because: 'signal_lost', error: messageChain(err) };
      }
    },
    notices: () => (lost === undefined ? [] : [lost]),
  };
};
