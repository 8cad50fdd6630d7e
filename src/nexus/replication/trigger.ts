/**
 * The channel from whoever changes the wanted set to the replication task.
 *
 * Losing it is an error that shows in the status, and never fails what was recorded already: the task's period
 * brings what the signal did not (S15).
 */
import type { HealthReason } from '../../core/facts/reason.ts';
import { messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Driver } from '../background/driver.ts';
import { REPLICATION_TASK } from './task.ts';

export type ReplicationTrigger = {
  /** Never throws. Before the driver is there it does nothing: every task runs once when the driver starts. */
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
