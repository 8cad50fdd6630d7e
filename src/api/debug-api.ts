/** Background tasks and deployed versions, for debugging. Compatible with the published API. */
import { z } from 'zod';
import { SledId, SystemVersion } from '../core/ids.ts';
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

/** A release in which an installed image is, as far as that is known. */
const TufRepoVersion = z
  .discriminatedUnion('zone_status_version', [
    z.object({ zone_status_version: z.literal('unknown') }),
    z.object({ zone_status_version: z.literal('install_dataset') }),
    z.object({ zone_status_version: z.literal('version'), details: SystemVersion }),
    z.object({ zone_status_version: z.literal('error'), details: z.string() }),
  ])
  .meta({ id: 'TufRepoVersion' });

const HostPhase2Status = z
  .object({
    boot_disk: z.union([z.object({ ok: z.enum(['A', 'B']) }), z.object({ err: z.string() })]),
    slot_a_version: TufRepoVersion,
    slot_b_version: TufRepoVersion,
  })
  .meta({ id: 'HostPhase2Status' });

const SledAgentUpdateStatus = z
  .object({
    sled_id: SledId,
    /** None here: no process of this project knows the zones of a sled. */
    zones: z.array(z.unknown()).max(0),
    host_phase_2: HostPhase2Status,
  })
  .meta({ id: 'SledAgentUpdateStatus' });

export const UpdateStatus = z
  .object({
    /** None here: no process of this project reads service processors. */
    mgs_driven: z.array(z.unknown()).max(0),
    sleds: z.array(SledAgentUpdateStatus),
  })
  .meta({ id: 'DeployedUpdateStatus' });
export type UpdateStatus = z.infer<typeof UpdateStatus>;

export const debugApi = {
  title: 'Debug API, background tasks',
  version: TASK_VERSION,
  description: 'Lists, shows and activates the background tasks of one Nexus, and shows deployed versions.',
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
    updateStatus: defineRoute({
      operationId: 'update_status',
      audience: 'operator',
      role: 'viewer',
      method: 'GET',
      path: '/deployment/update-status',
      summary:
        'Deployed versions, sled by sled, as far as they are known; releases are in the update status of the operator API.',
      status: 200,
      response: { kind: 'json', schema: UpdateStatus },
      errors: [],
    }),
  },
} as const satisfies Api;

const { audience: _list, role: _ofList, ...bgtaskList } = debugApi.routes.bgtaskList;
const { audience: _view, role: _ofView, ...bgtaskView } = debugApi.routes.bgtaskView;
const { audience: _deployed, role: _ofDeployed, ...updateStatus } = debugApi.routes.updateStatus;

/** What may be read without a token, at an address of its own: for the debugger of the original, which has none. */
export const plainDebugApi = {
  title: debugApi.title,
  version: debugApi.version,
  description: 'Lists and shows the background tasks of one Nexus, and shows deployed versions.',
  routes: {
    bgtaskList: defineRoute({ ...bgtaskList, audience: 'public' }),
    bgtaskView: defineRoute({ ...bgtaskView, audience: 'public' }),
    updateStatus: defineRoute({ ...updateStatus, audience: 'public' }),
  },
} as const satisfies Api;
