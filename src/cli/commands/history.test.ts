import { expect, test, vi } from 'vitest';
import type { ArtifactView } from '../../api/operator-fleet-api.ts';
import type { FleetEventView, HistoryQuery } from '../../api/operator-history-api.ts';
import { asGeneration, EventId, NexusId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import { SLED, serveTestNexus, TEST_TOKEN, type TestHandlers, testSled } from '../nexus.fixture.ts';
import { runTestCli, type TestRun } from '../run.fixture.ts';

const NEXUS = NexusId.parse('00000000-0000-4000-8000-0000000000aa');
const HASH = '9f86d081884c7d65'.repeat(4) as FleetEventView['sha256'] & string;
const clock = { nowMs: () => Date.parse('2026-01-02T12:00:00Z') } as Clock;

const event = (n: number, differing: Partial<FleetEventView> = {}): FleetEventView => ({
  id: EventId.parse(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`),
  time: `2026-01-02T11:00:${String(n).padStart(2, '0')}.500Z`,
  nexus_id: NEXUS,
  kind: 'put',
  sled_id: SLED,
  ...differing,
});

/** As a version answers that told texts in the place of facts. */
const LEGACY: readonly FleetEventView[] = [
  event(3, {
    kind: 'deletion',
    sha256: HASH,
    generation: asGeneration(9),
    message: 'no release\u001b[2J lists it',
  }),
  event(2, {
    kind: 'copy',
    sha256: HASH,
    source_sled_id: SLED,
    elapsed_ms: 7_200,
    error_code: 'COPY_SOURCE',
    message: 'cut off',
  }),
  event(1, { kind: 'release_recorded', sled_id: undefined, system_version: '1.2.0', message: 'inserted' }),
];

const OTHER_SLED = '00000000-0000-4000-8000-000000000002';

const EVENTS: readonly FleetEventView[] = [
  event(4, {
    kind: 'sled_melted',
    message: 'sled melted, which this version does not know: {"temperature_c":90}',
    details: { kind: 'sled_melted', temperature_c: 90 },
  }),
  event(3, {
    kind: 'deletion',
    sha256: HASH,
    generation: asGeneration(9),
    details: {
      kind: 'deletion',
      sled_id: SLED,
      sha256: HASH,
      generation: 9,
      why: 'no release\u001b[2J lists it',
    },
  }),
  event(2, {
    kind: 'copy',
    sha256: HASH,
    elapsed_ms: 7_200,
    error_code: 'COPY_SOURCE',
    details: {
      ...{ kind: 'copy', sled_id: SLED, sha256: HASH, source_sled_id: OTHER_SLED, elapsed_ms: 7_200 },
      ...{ error_code: 'COPY_SOURCE', error: 'cut off', failures: 2 },
    },
  }),
  event(1, {
    kind: 'target_release',
    sled_id: undefined,
    system_version: '1.2.0',
    details: { kind: 'target_release', system_version: '1.2.0', is_forced: true },
  }),
];

const against = async (handlers: TestHandlers, ...args: string[]): Promise<TestRun> => {
  await using nexus = await serveTestNexus(handlers);
  return await runTestCli(args, {
    environment: { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN },
    clock,
  });
};

const answering = (asked: HistoryQuery[] = [], events = EVENTS): TestHandlers => ({
  history: {
    async fleetHistory({ query }) {
      asked.push(query);
      return { items: [...events] };
    },
  },
});

test('history prints one line per event, the newest last, with sleds by serial number; JSON is the answer of the API (S12)', async () => {
  const { out, exitCode } = await against(answering(), 'history');
  expect(exitCode).toBe(0);
  expect(out.trimEnd().split('\n')).toEqual([
    'TIME (UTC)           EVENT           SLED    WHAT',
    '2026-01-02 11:00:01  target release  -       Release 1.2.0 became the target release. None was set before. The change was forced.',
    `2026-01-02 11:00:02  copy            sled-1  Sled sled-1 did not begin the copy of artifact 9f86d081884c7d65 from sled ${OTHER_SLED}: cut off. It failed 2 times in a row. (7.2 s) [COPY_SOURCE]`,
    '2026-01-02 11:00:03  deletion        sled-1  Sled sled-1 deleted artifact 9f86d081884c7d65: no release\\u001b[2J lists it. (generation 9)',
    '2026-01-02 11:00:04  sled melted     sled-1  sled melted, which this version does not know: {"temperature_c":90}',
  ]);
  const json = JSON.parse((await against(answering(), 'history', '--json')).out);
  expect(json.map(({ id }: FleetEventView) => id)).toEqual(EVENTS.map(({ id }) => id));
});

test('events of a version that told texts are shown as it told them', async () => {
  const { out } = await against(answering([], LEGACY), 'history');
  expect(out.trimEnd().split('\n')).toEqual([
    'TIME (UTC)           EVENT             SLED    WHAT',
    '2026-01-02 11:00:01  release recorded  -       1.2.0: inserted',
    '2026-01-02 11:00:02  copy              sled-1  9f86d081884c7d65, from sled-1, 7.2 s: cut off [COPY_SOURCE]',
    '2026-01-02 11:00:03  deletion          sled-1  9f86d081884c7d65, generation 9: no release\\u001b[2J lists it',
  ]);
});

test('options become parameters of the request: sled, artifact, release, kind and time (S12)', async () => {
  const asked: HistoryQuery[] = [];
  const options = ['--sled', 'sled-1', '--artifact', HASH, '--release', '1.2.0', '--kind', 'copy-failed'];
  const { exitCode } = await against(
    answering(asked),
    'history',
    ...options,
    ...['--since', '2h', '--until', '2026-01-02T11:30:00Z', '--limit', '7'],
  );
  expect(exitCode).toBe(0);
  expect(asked).toEqual([
    {
      limit: 7,
      sled_id: SLED,
      sha256: HASH,
      system_version: '1.2.0',
      kind: 'copy_failed',
      since: '2026-01-02T10:00:00.000Z',
      until: '2026-01-02T11:30:00.000Z',
    },
  ]);
});

test('pages are followed up to the limit, and no further', async () => {
  const asked: HistoryQuery[] = [];
  const { out } = await against(
    {
      history: {
        async fleetHistory({ query }) {
          asked.push(query);
          const items = Array.from({ length: Math.min(2, query.limit) }, (_, n) => event(n));
          return { items, next_page: `page-${asked.length}` };
        },
      },
    },
    ...['history', '--limit', '3', '--json'],
  );
  expect(JSON.parse(out)).toHaveLength(3);
  expect(asked.map(({ limit, page_token }) => [limit, page_token])).toEqual([
    [3, undefined],
    [1, 'page-1'],
  ]);
});

test('a time without a zone is in UTC, as times are shown, wherever the operator is', async () => {
  vi.stubEnv('TZ', 'Asia/Tokyo');
  try {
    expect(new Date(2026, 0, 2).getTimezoneOffset(), 'the zone is in force').toBe(-540);
    const asked: HistoryQuery[] = [];
    const times = ['--since', '2026-01-02 11:00:01', '--until', '2026-01-02T12:00+01:00'];
    await against(answering(asked), 'history', ...times);
    expect(asked).toMatchObject([{ since: '2026-01-02T11:00:01.000Z', until: '2026-01-02T11:00:00.000Z' }]);
  } finally {
    vi.unstubAllEnvs();
  }
});

test('an unknown kind, or an invalid time, is wrong usage, and the valid ones are named', async () => {
  const kind = await against({}, 'history', '--kind', 'nonsense');
  expect(kind).toMatchObject({
    exitCode: 2,
    err: expect.stringMatching(/fix: use one of put_config, list, put/),
  });
  const since = await against({}, 'history', '--since', 'yesterday');
  expect(since).toMatchObject({
    exitCode: 2,
    err: expect.stringContaining('--since yesterday is not a time'),
  });
});

test('an empty history is reported as such', async () => {
  expect((await against({}, 'history')).out).toBe('No such events are recorded.\n');
});

test('artifact show and sled show say how long a deletion still waits (T4)', async () => {
  const waiting = { sha256: HASH, size_bytes: 2048, remaining_s: 90 };
  const artifact: ArtifactView = {
    sha256: HASH,
    size_bytes: 2048,
    wanted: false,
    roles: [],
    sleds: [{ sled_id: SLED, serial: 'sled-1', copies: 0, datasets: 2, deletion_waiting: waiting }],
    local_repos: [],
    history: [],
    reasons: [],
  };
  const sled = {
    ...testSled(),
    deletions_waiting: { artifacts: 1, size_bytes: 2048, first: [waiting] },
    deletions_limited: { artifacts: 12, size_bytes: 4096, first: [waiting] },
  };
  const fleet = { artifactView: async () => artifact, sledList: async () => ({ items: [sled] }) };
  expect((await against({ fleet }, 'artifact', 'show', HASH)).out).toContain('kept: deleted in 1 min 30 s');
  const { out } = await against({ fleet }, 'sled', 'show', 'sled-1');
  expect(out.split('waiting for their deletion\n')[1]!.split('\n').slice(0, 5)).toEqual([
    `  ${HASH.slice(0, 16)} 2.00 KiB, deleted in 1 min 30 s`,
    '',
    'kept by the limit of deletions',
    `  ${HASH.slice(0, 16)} 2.00 KiB, deleted in 1 min 30 s`,
    '  and 11 more, together 4.00 KiB',
  ]);
});

test('artifact show has the events of the artifact from the history (S12)', async () => {
  const artifact: ArtifactView = {
    sha256: HASH,
    size_bytes: 5,
    wanted: false,
    roles: [],
    sleds: [{ sled_id: SLED, serial: testSled().serial, copies: 0, datasets: 2 }],
    local_repos: [],
    history: EVENTS.slice(1, 3),
    reasons: [],
  };
  const { out } = await against({ fleet: { artifactView: async () => artifact } }, 'artifact', 'show', HASH);
  expect(out.split('latest events\n')[1]!.trimEnd().split('\n')).toEqual([
    'TIME (UTC)           EVENT     SLED    WHAT',
    `2026-01-02 11:00:02  copy      sled-1  Sled sled-1 did not begin the copy of the artifact from sled ${OTHER_SLED}: cut off. It failed 2 times in a row. (7.2 s) [COPY_SOURCE]`,
    '2026-01-02 11:00:03  deletion  sled-1  Sled sled-1 deleted the artifact: no release\\u001b[2J lists it. (generation 9)',
  ]);
});
