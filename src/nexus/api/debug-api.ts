/** Handlers of the debug API: the driver's status, and what is known of deployed versions, in the published shapes. */
import type { BackgroundTaskView, debugApi, plainDebugApi, UpdateStatus } from '../../api/debug-api.ts';
import { MAX_AUDITED_NAMES } from '../../core/facts/audit.ts';
import type { Handlers } from '../../http/handlers.ts';
import { isoTime } from '../../lib/clock.ts';
import type { Driver, TaskStatus } from '../background/driver.ts';
import type { AuditPort } from '../datastore/ports/audit-port.ts';
import type { OriginOf } from '../operators/audit-origin.ts';

type Deps = {
  readonly driver: Driver;
  readonly datastore: Pick<AuditPort, 'auditAppend'>;
  readonly originOf: OriginOf;
  readonly deployedVersions: () => UpdateStatus;
};

export const createDebugApi = ({
  driver,
  datastore,
  originOf,
  deployedVersions,
}: Deps): Handlers<typeof debugApi> => ({
  bgtaskList: async () => listOf(driver),
  bgtaskView: async ({ params }) => taskView(driver.status(params.bgtask_name), 'details'),
  updateStatus: async () => deployedVersions(),
  bgtaskActivate: async ({ body, signal, ...request }) => {
    // Every name is looked up before any task is activated: all of them, or none.
    for (const name of body.bgtask_names) driver.status(name);
    const tasks = body.bgtask_names.slice(0, MAX_AUDITED_NAMES);
    await datastore.auditAppend(originOf(request), { kind: 'tasks_activated', tasks }, { signal });
    for (const name of body.bgtask_names) driver.activate(name);
  },
});

/** To read alone, without a token. */
export const createPlainDebugApi = ({
  driver,
  deployedVersions,
}: Pick<Deps, 'driver' | 'deployedVersions'>): Handlers<typeof plainDebugApi> => ({
  bgtaskList: async () => listOf(driver),
  bgtaskView: async ({ params }) => taskView(driver.status(params.bgtask_name), 'details'),
  updateStatus: async () => deployedVersions(),
});

/** Not everything: the whole ring of requests is in the view of one task. */
const listOf = (driver: Driver): Record<string, BackgroundTaskView> =>
  Object.fromEntries(driver.list().map(status => [status.name, taskView(status, 'list')]));

const duration = (ms: number) => ({ secs: Math.floor(ms / 1000), nanos: Math.floor((ms % 1000) * 1e6) });

const taskView = (status: TaskStatus, depth: 'list' | 'details'): BackgroundTaskView => ({
  name: status.name,
  description: status.description,
  period: duration(status.periodMs),
  periodic: status.periodic,
  current:
    status.current === undefined
      ? { current_status: 'idle' }
      : { current_status: 'running', details: activation(status.current) },
  last:
    status.last === undefined
      ? { last_result: 'never_completed' }
      : {
          last_result: 'completed',
          details: {
            ...activation(status.last),
            elapsed: duration(status.last.elapsedMs),
            details: depth === 'list' ? status.last.listed() : status.last.details(),
          },
        },
});

const activation = ({ iteration, reason, startMs }: NonNullable<TaskStatus['current']>) => ({
  iteration,
  reason,
  start_time: isoTime(startMs),
});
