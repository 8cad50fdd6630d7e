/**
 * A background task in the layout of the original system's debugger, which operators know, with the additions of this
 * system below it.
 */
import { z } from 'zod';
import type { ActivationReason, BackgroundTaskView } from '../../api/debug-api.ts';
import { Reason, ReasonTotals, RequestRecord } from '../../api/operator-fleet-api.ts';
import { formatAge } from './quantities.ts';
import { reasonLines } from './reasons.ts';
import { printable, type Style } from './style.ts';

const Counters = z.record(z.string(), z.number());

const ReleaseSummary = z.object({
  system_version: z.string(),
  state: z.string(),
  copies_held: z.number(),
  copies_wanted: z.number(),
});

/** What a replication task reports; the published part first. Everything is optional: another version may differ. */
const ReplicationDetails = z.object({
  generation: z.number().optional(),
  last_run_counters: Counters,
  lifetime_counters: Counters,
  request_debug_ringbuf: z.array(RequestRecord).optional(),
  local_repos: z.number(),
  local_repos_not_safe: z.number().optional(),
  requests_deferred: z.number().optional(),
  blocked: z.array(Reason).optional().catch(undefined),
  reasons: z.array(Reason).optional().catch(undefined),
  reason_totals: ReasonTotals.optional().catch(undefined),
  releases: z.array(ReleaseSummary).optional().catch(undefined),
});
type ReplicationDetails = z.infer<typeof ReplicationDetails>;

const ErrorDetails = z.object({ error: z.string() });

/** In the order of the original. */
const PUBLISHED_COUNTERS = [
  'put_config_ok',
  'put_config_err',
  'list_ok',
  'list_err',
  'put_ok',
  'put_err',
  'copy_ok',
  'copy_err',
] as const;

const REASON_PHRASES: Record<ActivationReason, string> = {
  signaled: 'an explicit signal',
  dependency: 'a dependent task completing',
  timeout: 'a periodic timer firing',
};

export const taskReportLines = (task: BackgroundTaskView, style: Style, nowMs: number): string[] => [
  `task: ${style.bold(JSON.stringify(task.name))}`,
  `  configured period: every ${periodText(task.period.secs)}${task.periodic === false ? ' (disabled)' : ''}`,
  currentLine(task, nowMs),
  ...lastLines(task, nowMs),
  ...detailLines(task, style, nowMs),
];

/** As the original writes periods: `5m`, `1h 30m`, `15s`. */
export const periodText = (seconds: number): string => {
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const shown = parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount}${unit}`);
  return shown.length === 0 ? '0s' : shown.join(' ');
};

const currentLine = ({ current }: BackgroundTaskView, nowMs: number): string => {
  if (current.current_status === 'idle') return '  currently executing: no';
  const { iteration, reason, start_time } = current.details;
  return (
    `  currently executing: iter ${iteration}, triggered by ${REASON_PHRASES[reason]}\n` +
    `    started at ${start_time}, running for ${nowMs - Date.parse(start_time)}ms`
  );
};

const lastLines = ({ last }: BackgroundTaskView, nowMs: number): string[] => {
  if (last.last_result === 'never_completed') return ['  last completed activation: never'];
  const { iteration, reason, start_time, elapsed } = last.details;
  const ranMs = elapsed.secs * 1000 + Math.round(elapsed.nanos / 1e6);
  const agoSeconds = Math.max(0, Math.round((nowMs - Date.parse(start_time)) / 1000));
  return [
    `  last completed activation: iter ${iteration}, triggered by ${REASON_PHRASES[reason]}`,
    `    started at ${start_time} (${agoSeconds}s ago) and ran for ${ranMs}ms`,
  ];
};

const detailLines = ({ last }: BackgroundTaskView, style: Style, nowMs: number): string[] => {
  if (last.last_result === 'never_completed') return [];
  const { details } = last.details;
  const failed = ErrorDetails.safeParse(details);
  if (failed.success) return [`    last completion reported error: ${printable(failed.data.error)}`];
  const replication = ReplicationDetails.safeParse(details);
  if (replication.success) return replicationLines(replication.data, style, nowMs);
  return JSON.stringify(details, undefined, 2)
    .split('\n')
    .map(line => `    ${printable(line)}`);
};

const replicationLines = (details: ReplicationDetails, style: Style, nowMs: number): string[] => [
  ...ringLines(details.request_debug_ringbuf),
  '    last run:',
  ...counterLines(details.last_run_counters),
  '    lifetime:',
  ...counterLines(details.lifetime_counters),
  `    local repos: ${details.local_repos}`,
  ...moreLines(details, style, nowMs),
];

const ringLines = (ring: readonly RequestRecord[] | undefined): string[] => {
  if (ring === undefined) return [];
  if (ring.length === 0) return ['    request ringbuf:', '      [no entries]'];
  return [
    '    request ringbuf:',
    ...ring.flatMap(request => [
      `      - target sled: ${request.target_sled}`,
      `        operation: ${operationText(request)}`,
      `        at: ${request.time}`,
      ...(request.error === undefined ? [] : [`        error: ${printable(request.error)}`]),
    ]),
  ];
};

const operationText = ({ operation, generation, hash, source_sled }: RequestRecord): string => {
  switch (operation) {
    case 'put_config':
      return `PutConfig { generation: ${generation ?? '?'} }`;
    case 'list':
      return 'List';
    case 'put':
      return `Put { hash: ArtifactHash("${hash ?? '?'}") }`;
    case 'copy':
      return `Copy { hash: ArtifactHash("${hash ?? '?'}"), source_sled: ${source_sled ?? '?'} (sled) }`;
    default:
      return operation satisfies never;
  }
};

const counterLine = (name: string, value: number): string =>
  `      ${`${name.replaceAll('_', ' ')}:`.padEnd(15)} ${String(value).padStart(3)}`;

const counterLines = (counters: Readonly<Record<string, number>>): string[] =>
  PUBLISHED_COUNTERS.map(name => counterLine(name, counters[name] ?? 0));

const releaseLine = ({
  system_version,
  state,
  copies_held,
  copies_wanted,
}: z.infer<typeof ReleaseSummary>): string =>
  `      ${printable(system_version)} ${printable(state)}: ${copies_held} of ${copies_wanted} copies`;

/** Additions to the original. */
const moreLines = (details: ReplicationDetails, style: Style, nowMs: number): string[] => {
  const published: readonly string[] = PUBLISHED_COUNTERS;
  const extraCounters = Object.entries(details.lifetime_counters).filter(
    ([name]) => !published.includes(name),
  );
  const reasons = [...(details.blocked ?? []), ...(details.reasons ?? [])];
  return [
    ...(details.local_repos_not_safe === undefined
      ? []
      : [`    local repos not yet safe on sleds: ${details.local_repos_not_safe}`]),
    ...(details.generation === undefined ? [] : [`    generation: ${details.generation}`]),
    ...(details.requests_deferred === undefined
      ? []
      : [`    requests deferred: ${details.requests_deferred}`]),
    ...(extraCounters.length === 0
      ? []
      : ['    lifetime, also:', ...extraCounters.map(([name, value]) => counterLine(name, value))]),
    ...(details.releases === undefined || details.releases.length === 0
      ? []
      : ['    releases:', ...details.releases.map(releaseLine)]),
    ...(reasons.length === 0
      ? []
      : [
          '    reasons:',
          ...reasonLines(reasons, style, nowMs, details.reason_totals).map(line => `    ${line}`),
        ]),
  ];
};

/** `12 s ago, signaled`; `never`. */
export const lastActivationText = ({ last }: BackgroundTaskView, nowMs: number): string =>
  last.last_result === 'never_completed'
    ? 'never'
    : `${formatAge(Date.parse(last.details.start_time), nowMs)}, ${last.details.reason}`;
