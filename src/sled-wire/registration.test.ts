import { expect, test } from 'vitest';
import { SledAgentInfo } from '../api/internal-api.ts';
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
