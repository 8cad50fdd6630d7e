import { expect, test } from 'vitest';
import { MAX_DATASET_MESSAGE_CHARS, SledAgentInfo } from '../api/internal-api.ts';
import { sledAgentInfo } from '../api/sled-agent-info.fixture.ts';
import { asGeneration, DatasetId, IncarnationId } from '../core/ids.ts';
import { registrationBody, registrationOf } from './registration.ts';

const id = '00000000-0000-4000-8000-000000000001';

test('a registration comes back as it was told, and what was not told is not made up', () => {
  const told = sledAgentInfo({
    incarnation_id: IncarnationId.parse(id),
    datasets: [
      { id: null, path: '/m2/0', state: 'missing', message: 'not mounted' },
      {
        id: DatasetId.parse(id),
        path: '/m2/1',
        state: 'ok',
        used_bytes: 1,
        quota_bytes: 2,
        free_bytes: 0,
        quarantined: 3,
        time_last_quarantined: '2026-01-01T00:00:00.500Z',
      },
    ],
    heads: [{ generation: asGeneration(7), config_digest: 'd'.repeat(64), lineage: true, kept: false }],
  });
  for (const info of [told, sledAgentInfo()]) {
    const body = registrationBody(registrationOf(info));
    expect(SledAgentInfo.parse(body)).toStrictEqual(info);
  }
});

test('a message that is cut within a character, or has a NUL, is one that a database stores', () => {
  const messageOf = (message: string) => {
    const told = sledAgentInfo({ datasets: [{ id: null, path: '/m2/0', state: 'missing' }] });
    const info = registrationOf(told);
    const datasets = info.datasets?.map(dataset => ({ ...dataset, message }));
    return registrationBody({ ...info, datasets }).datasets?.[0]?.message ?? '';
  };
  const cut = messageOf(`${'x'.repeat(MAX_DATASET_MESSAGE_CHARS - 1)}\u{1f600}`);
  expect(cut).toHaveLength(MAX_DATASET_MESSAGE_CHARS);
  expect(cut.isWellFormed()).toBe(true);
  expect(messageOf('bad\u0000path')).toBe('bad path');
});
