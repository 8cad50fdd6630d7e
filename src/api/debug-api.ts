/** Background tasks, for debugging. Compatible with the published API. */
import { z } from 'zod';
import { type Api, defineRoute } from './route.ts';
import { TASK_VERSION } from './versions.ts';
import { Timestamp } from './wire.ts';

const Duration = z
  .object({ secs: z.number().int().min(0), nanos: z.number().int().min(0).max(999_999_999) })
  .meta({ id: 'Duration' });

export const ActivationReason = z
  .enum(['signaled', 'timeout', 'dependency'])
  .meta({ id: 'ActivationReason' });
export type ActivationReason = z.infer<typeof ActivationReason>;

const Activation = { iteration: z.number().int().min(0), reason: ActivationReason, start_time: Timestamp };

const CurrentStatus = z
  .discriminatedUnion('current_status', [
    z.object({ current_status: z.literal('idle') }),
    z.object({
      current_status: z.literal('running'),
      details: z.object(Activation).meta({ id: 'CurrentStatusRunning' }),
    }),
  ])
  .meta({ id: 'CurrentStatus' });

const LastResult = z
  .discriminatedUnion('last_result', [
    z.object({ last_result: z.literal('never_completed') }),
    z.object({
      last_result: z.literal('completed'),
      details: z
        .object({ ...Activation, elapsed: Duration, details: z.unknown() })
        .meta({ id: 'LastResultCompleted' }),
    }),
  ])
  .meta({ id: 'LastResult' });

export const BackgroundTaskView = z
  .object({
    name: z.string(),
    description: z.string(),
    period: Duration,
    current: CurrentStatus,
    last: LastResult,
    /** Extra: false while periodic activations are turned off; signals and manual activations still work. */
    periodic: z.boolean().optional(),
  })
  .meta({ id: 'BackgroundTask' });
export type BackgroundTaskView = z.infer<typeof BackgroundTaskView>;

export const debugApi = {
  title: 'Debug API, background tasks',
  version: TASK_VERSION,
  description: 'Lists, shows and activates the background tasks of one Nexus.',
  routes: {
    bgtaskList: defineRoute({
      operationId: 'bgtask_list',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/bgtasks',
      summary: 'All background tasks, by name; details are summaries.',
      status: 200,
      response: {
        kind: 'json',
        schema: z.record(z.string(), BackgroundTaskView).meta({ id: 'Map_of_BackgroundTask' }),
      },
      errors: [],
    }),
    bgtaskView: defineRoute({
      operationId: 'bgtask_view',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/bgtasks/view/{bgtask_name}',
      summary: 'One background task, with everything it reports.',
      params: z.object({ bgtask_name: z.string().max(64) }),
      status: 200,
      response: { kind: 'json', schema: BackgroundTaskView },
      errors: ['NOT_FOUND'],
    }),
    bgtaskActivate: defineRoute({
      operationId: 'bgtask_activate',
      audience: 'operator',
      role: 'operator',
      method: 'POST',
      path: '/bgtasks/activate',
      summary: 'Activate tasks now, or once more as soon as the running activation ends.',
      body: {
        kind: 'json',
        schema: z
          .object({ bgtask_names: z.array(z.string().max(64)).max(64) })
          .meta({ id: 'BackgroundTasksActivateRequest' }),
      },
      status: 204,
      response: { kind: 'empty' },
      errors: ['NOT_FOUND'],
    }),
  },
} as const satisfies Api;

const { audience: _list, role: _ofList, ...bgtaskList } = debugApi.routes.bgtaskList;
const { audience: _view, role: _ofView, ...bgtaskView } = debugApi.routes.bgtaskView;

/** What may be read without a token, at an address of its own: for the debugger of the original, which has none. */
export const plainDebugApi = {
  title: debugApi.title,
  version: debugApi.version,
  description: 'Lists and shows the background tasks of one Nexus.',
  routes: {
    bgtaskList: defineRoute({ ...bgtaskList, audience: 'public' }),
    bgtaskView: defineRoute({ ...bgtaskView, audience: 'public' }),
  },
} as const satisfies Api;
