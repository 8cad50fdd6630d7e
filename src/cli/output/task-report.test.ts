import { expect, test } from 'vitest';
import type { BackgroundTaskView } from '../../api/debug-api.ts';
import { plainStyle } from './style.ts';
import { periodText, taskReportLines } from './task-report.ts';

const START = '2025-06-11T20:19:01.247Z';
const NOW_MS = Date.parse(START) + 111_000;
const SLED = '2d190199-0000-4000-8000-13e00352306e';
const SOURCE = 'f4f0ee07-0000-4000-8000-000000000001';
const HASH = '06ed'.repeat(16);

const task = (details: unknown): BackgroundTaskView => ({
  name: 'tuf_artifact_replication',
  description: 'replicate update repo artifacts across sleds',
  period: { secs: 300, nanos: 0 },
  current: { current_status: 'idle' },
  last: {
    last_result: 'completed',
    details: {
      iteration: 21,
      reason: 'timeout',
      start_time: START,
      elapsed: { secs: 9, nanos: 67_000_000 },
      details,
    },
  },
});

const counters = {
  put_config_ok: 4,
  put_config_err: 0,
  list_ok: 4,
  list_err: 0,
  put_ok: 0,
  put_err: 0,
  copy_ok: 1,
  copy_err: 0,
};

test('a replication task has the layout that operators know, with our additions below it', () => {
  const lines = taskReportLines(
    task({
      generation: 3,
      last_run_counters: counters,
      lifetime_counters: { ...counters, put_config_ok: 80, copy_done: 12 },
      request_debug_ringbuf: [
        {
          time: '2025-06-11T20:19:21Z',
          target_sled: SLED,
          operation: 'copy',
          hash: HASH,
          source_sled: SOURCE,
          elapsed_ms: 5,
          error: 'no answer',
        },
      ],
      local_repos: 0,
      requests_deferred: 2,
      releases: [{ system_version: '1.2.0', state: 'replicating', copies_held: 5, copies_wanted: 12 }],
      blocked: [{ code: 'sled_unreachable', message: 'sled-3 does not answer' }],
    }),
    plainStyle,
    NOW_MS,
  );
  expect(lines.join('\n')).toBe(`task: "tuf_artifact_replication"
  configured period: every 5m
  currently executing: no
  last completed activation: iter 21, triggered by a periodic timer firing
    started at 2025-06-11T20:19:01.247Z (111s ago) and ran for 9067ms
    request ringbuf:
      - target sled: ${SLED}
        operation: Copy { hash: ArtifactHash("${HASH}"), source_sled: ${SOURCE} (sled) }
        at: 2025-06-11T20:19:21Z
        error: no answer
    last run:
      put config ok:    4
      put config err:   0
      list ok:          4
      list err:         0
      put ok:           0
      put err:          0
      copy ok:          1
      copy err:         0
    lifetime:
      put config ok:   80
      put config err:   0
      list ok:          4
      list err:         0
      put ok:           0
      put err:          0
      copy ok:          1
      copy err:         0
    local repos: 0
    generation: 3
    requests deferred: 2
    lifetime, also:
      copy done:       12
    releases:
      1.2.0 replicating: 5 of 12 copies
    reasons:
      - sled-3 does not answer [sled_unreachable]`);
});

test('an error of the last activation replaces its details', () => {
  expect(taskReportLines(task({ error: 'no database' }), plainStyle, NOW_MS).at(-1)).toBe(
    '    last completion reported error: no database',
  );
});

test('a task of another kind is shown as the JSON that it reports', () => {
  expect(
    taskReportLines(task({ kept: ['1.0.0'] }), plainStyle, NOW_MS)
      .slice(-3)
      .join('\n'),
  ).toContain('"1.0.0"');
});

test('periods are written with every unit that they need', () => {
  expect([15, 300, 5400, 0].map(periodText)).toEqual(['15s', '5m', '1h 30m', '0s']);
});
