import { expect, test } from 'vitest';
import { DepotError } from '../../../lib/errors.ts';
import { createSources } from './sources.ts';

const config = {
  name: 'vendor',
  metadataUrl: 'https://vendor.example/metadata',
  targetsUrl: 'https://vendor.example/targets',
  periodMs: 3_600_000,
  maxBytes: 1_000_000,
} as never;

test('an outage of the database is not reported as a fault of the source, and does not delay its next fetch', () => {
  const sources = createSources([config]);
  for (let tries = 0; tries < 5; tries += 1)
    sources.failed('vendor', new DepotError('DATABASE_UNAVAILABLE', 'the database does not answer'), 1_000);
  expect(sources.reasons()).toEqual([]);
  expect(sources.get('vendor')).toMatchObject({ failures: 1, failure: { code: 'DATABASE_UNAVAILABLE' } });

  sources.failed(
    'vendor',
    new DepotError('PEER_UNREACHABLE', 'vendor.example refuses the connection'),
    2_000,
  );
  expect(sources.reasons()).toMatchObject([{ code: 'SOURCE_FAILED' }]);
  expect(sources.get('vendor')).toMatchObject({ failures: 2 });
});
