import { expect, test } from 'vitest';
import { ArtifactListResponse, DatasetHealth } from '../api/sled-agent-api.ts';
import { sledReport } from '../core/sled-report.fixture.ts';
import { sledReportOf } from './report.ts';

const hash = (digit: string) => digit.repeat(64);

test('a list of the published shape alone says nothing of what only our sled agents tell', () => {
  const list = ArtifactListResponse.parse({ generation: 2, list: { [hash('a')]: 1 } });
  expect(sledReportOf(list)).toEqual(sledReport({ copies: new Map([[hash('a') as never, 1]]) }));
});

test('keys of a list that are no hashes are reported separately', () => {
  const list = ArtifactListResponse.parse({ generation: 2, list: { [hash('a')]: 1, [hash('A')]: 2, '': 3 } });
  const { copies, bogusHashes } = sledReportOf(list);
  expect([...copies]).toEqual([[hash('a'), 1]]);
  expect(bogusHashes).toEqual([hash('A'), '']);
});

test('a time is an instant whatever offset it is written with, from 1970 to 9999', () => {
  const at = (time: string) => {
    const list = { generation: 2, list: {}, deletions_held: { reason: 'no floor', time } };
    return sledReportOf(ArtifactListResponse.parse(list)).deletionsHeld?.timeMs;
  };
  expect(at('2026-01-01T02:00:00.250+02:00')).toBe(Date.UTC(2026, 0, 1, 0, 0, 0, 250));
  expect(at('0000-01-01T00:00:00+01:00')).toBe(0);
  expect(at('9999-12-31T23:59:59-01:00')).toBe(Date.UTC(9999, 11, 31, 23, 59, 59, 999));
});

test('each number and name of a list has its own field', () => {
  const incarnationId = '00000000-0000-4000-8000-000000000001';
  const list = ArtifactListResponse.parse({
    generation: 2,
    list: {},
    config_digest: hash('d'),
    lineage: true,
    incarnation_id: incarnationId,
    datasets: 3,
    copies_completed_total: 4,
    copies_failed_total: 5,
    deletions_total: 6,
  });
  expect(sledReportOf(list)).toMatchObject({
    generation: 2,
    digest: hash('d'),
    hasLineage: true,
    incarnationId,
    datasets: 3,
    copiesDoneTotal: 4,
    copiesFailedTotal: 5,
    deletionsTotal: 6,
  });
});

test('a list with a digest that is none is a bad answer of that sled', () => {
  const list = { generation: 2, list: {}, config_digest: 'ABC' };
  expect(ArtifactListResponse.safeParse(list).success).toBe(false);
});

test('a state that only a newer sled has is a fault of its dataset, or a refusal of its bundle, and the list is read all the same', () => {
  const list = ArtifactListResponse.parse({
    generation: 2,
    list: { [hash('a')]: 1 },
    dataset_health: [
      { id: null, path: '/data/a', state: 'worn_out' },
      { id: null, path: '/data/b', state: 'worn_out', message: 'replace it' },
      { id: null, path: '/data/c', state: 'read_only' },
    ],
    bundles: [
      { sha256: hash('b'), state: 'postponed', cause: 'another_time' },
      { sha256: hash('c'), state: 'refused', cause: 'signature_scheme', reason: 'by its scheme' },
    ],
  });
  const { copies, datasetHealth, bundles } = sledReportOf(list);
  expect(copies.size).toBe(1);
  expect(datasetHealth?.map(({ state, message }) => [state, message])).toEqual([
    ['failed', 'its state is worn_out, which this version does not know'],
    ['failed', 'replace it'],
    ['read_only', undefined],
  ]);
  expect(bundles).toEqual([
    {
      ...{ sha256: hash('b'), state: 'refused', cause: undefined },
      reason: 'its state is postponed, which this version does not know',
    },
    { sha256: hash('c'), state: 'refused', cause: 'signature_scheme', reason: 'by its scheme' },
  ]);
});

test('a newer sled registers with a dataset in a state that this Nexus does not know', () => {
  const dataset = { id: null, path: '/data/a' };
  const states = ['ok', 'worn_out', 'WORN OUT'].map(
    state => DatasetHealth.safeParse({ ...dataset, state }).success,
  );
  expect(states).toEqual([true, true, false]);
});
