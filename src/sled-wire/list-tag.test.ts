import { expect, test } from 'vitest';
import { ArtifactListResponse } from '../api/sled-agent-api.ts';
import { listTag } from './list-tag.ts';
import { sledReportOf } from './report.ts';

type List = Parameters<typeof listTag>[0];

const GIB = 2 ** 30;
const hash = (digit: string) => digit.repeat(64);
const time = '2026-01-01T00:00:00.000Z';
const deferred = (left: number) => [
  {
    sha256: hash('e'),
    reason: 'leased',
    leases: [
      {
        sha256: hash('e'),
        id: '0f0e0d0c-0b0a-4908-8706-050403020100',
        term_s: 7_200,
        time_expires: new Date(left * 1_000).toISOString(),
        remaining_s: left,
      },
    ],
  },
];
const list: List = {
  generation: 2,
  list: { [hash('a')]: 2, [hash('b')]: 1 },
  config_digest: hash('c'),
  dataset_health: [
    { id: null, path: '/m2', state: 'ok', quota_bytes: 64 * GIB, free_bytes: 10.5 * GIB, used_bytes: GIB },
  ],
  scrub: { cycle_started: time, cycles_completed: 3, files_done: 17, files_total: 160, bytes_done: 5 },
  deletions_limited: {
    artifacts: 1,
    size_bytes: 9,
    first: [{ sha256: hash('d'), size_bytes: 9, remaining_s: 3_650 }],
  },
  deletions_deferred: deferred(3_650),
};
const tag = listTag(list);
const tagWith = (changed: Partial<List>) => listTag({ ...list, ...changed });
const withDataset = (changed: object) =>
  tagWith({ dataset_health: [{ ...list.dataset_health![0]!, ...changed }] });
const withScrub = (changed: object) => tagWith({ scrub: { ...list.scrub!, ...changed } });

test('the order of keys does not count, and the tag does not count itself', () => {
  const reversed = Object.fromEntries(Object.entries(list).toReversed()) as List;
  expect(listTag({ ...reversed, list: { [hash('b')]: 1, [hash('a')]: 2 }, tag: 'x' })).toBe(tag);
  expect(tag).toMatch(/^W\/"[\w-]{22}"$/);
});

test('a gauge counts by coarse steps: neither a few bytes nor a second make news, and a step does (LT1)', () => {
  expect(withDataset({ free_bytes: 10.9 * GIB })).toBe(tag);
  expect(withDataset({ free_bytes: 11 * GIB })).not.toBe(tag);
  expect(withScrub({ files_done: 19, bytes_done: 99, cycle_started: '2026-01-02T00:00:00.000Z' })).toBe(tag);
  expect(withScrub({ files_done: 20 })).not.toBe(tag);
  const limited = (left: number) =>
    tagWith({
      deletions_limited: {
        ...list.deletions_limited!,
        first: [{ sha256: hash('d'), size_bytes: 9, remaining_s: left }],
      },
    });
  expect([limited(3_605), tagWith({ deletions_deferred: deferred(3_605) })]).toEqual([tag, tag]);
  expect(limited(3_600)).not.toBe(tag);
  expect(tagWith({ deletions_deferred: deferred(3_600) })).not.toBe(tag);
});

test.each<[string, Partial<List>]>([
  ['an artifact', { list: { [hash('a')]: 2, [hash('b')]: 2 } }],
  ['the generation', { generation: 3 }],
  ['the digest', { config_digest: hash('d') }],
  ['a failed copy', { copies_failed_total: 1 }],
  ['a deletion', { deletions_total: 1 }],
  ['a hold', { deletions_held: { reason: 'older', time } }],
  ['a point of another history', { points_kept: [{ generation: 1, config_digest: hash('f') }] }],
  ['a bundle', { bundles: [{ sha256: hash('f'), state: 'missing' }] }],
  ['what is withheld', { withheld: [hash('a')] }],
  ['the incarnation', { incarnation_id: '0f0e0d0c-0b0a-4908-8706-050403020100' }],
  ['the release that runs', { running_version: '1.0.0' }],
])('%s is news (LT1)', (_, changed) => {
  expect(tagWith(changed)).not.toBe(tag);
});

test('the fault of a dataset and a bad file are news (LT1)', () => {
  expect(withDataset({ state: 'full' })).not.toBe(tag);
  expect(withScrub({ last_bad: { sha256: hash('a'), reason: 'rot', time } })).not.toBe(tag);
});

test('a list with a copy under way has no tag (LT2)', () => {
  const copy = { sha256: hash('a'), depot_base_url: 'http://depot', received_bytes: 1, time_started: time };
  expect(tagWith({ copies_in_flight: [copy] })).toBeUndefined();
});

test('a report has the tag of its list only if that is the digest of the list (LT3)', () => {
  const reportWith = (said: string | undefined) =>
    sledReportOf(ArtifactListResponse.parse(JSON.parse(JSON.stringify({ ...list, tag: said }))));
  expect(reportWith(tag).tag).toBe(tag);
  for (const other of ['W/"AAAAAAAAAAAAAAAAAAAAAA"', undefined])
    expect(reportWith(other).tag).toBeUndefined();
});
