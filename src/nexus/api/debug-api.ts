/** Handlers of the debug API: the driver's status in the published shape. */
import type { BackgroundTaskView, debugApi } from '../../api/debug-api.ts';
import type { Handlers } from '../../http/handlers.ts';
import { isoTime } from '../../lib/clock.ts';
import type { Driver, TaskStatus } from '../background/driver.ts';

export const createDebugApi = ({ driver }: { driver: Driver }): Handlers<typeof debugApi> => ({
  // Summaries only: the ring of requests is in the view of one task.
  bgtaskList: async () =>
    Object.fromEntries(driver.list().map(status => [status.name, taskView(status, 'summary')])),
  bgtaskView: async ({ params }) => taskView(driver.status(params.bgtask_name), 'details'),
  bgtaskActivate: async ({ body }) => {
    // Every name is looked up before any task is activated: all of them, or none.
    for (const name of body.bgtask_names) driver.status(name);
    for (const name of body.bgtask_names) driver.activate(name);
  },
});

const duration = (ms: number) => ({ secs: Math.floor(ms / 1000), nanos: Math.floor((ms % 1000) * 1e6) });

const taskView = (status: TaskStatus, depth: 'summary' | 'details'): BackgroundTaskView => ({
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
            details: depth === 'summary' ? status.last.summary : status.last.details(),
          },
        },
});

const activation = ({ iteration, reason, startMs }: NonNullable<TaskStatus['current']>) => ({
  iteration,
  reason,
  start_time: isoTime(startMs),
});
