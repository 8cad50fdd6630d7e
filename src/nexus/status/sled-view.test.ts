import { expect, test } from 'vitest';
import { ArtifactListResponse } from '../../api/sled-agent-api.ts';
import { asGeneration } from '../../core/ids.ts';
import { isoTime } from '../../lib/clock.ts';
import { sledReportOf } from '../../sled-wire/report.ts';
import { registration } from '../datastore/conformance/records.fixture.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import type { Observation } from '../replication/observation.ts';
import { fakeSled, hashOf } from '../sleds/fleet.fixture.ts';
import { sledView } from './sled-view.ts';

const id = '00000000-0000-4000-8000-000000000001';
const time = isoTime(1_000);
const sha256 = hashOf(1);

/** Every extra that a sled agent of ours can list. */
const EXTRAS = {
  points_kept: [{ generation: 3, config_digest: 'd'.repeat(64) }],
  deletions_held: { reason: 'in doubt', time },
  dataset_health: [
    {
      id,
      path: '/m2/0',
      state: 'full',
      used_bytes: 9,
      quota_bytes: 9,
      free_bytes: 0,
      reclaimable_bytes: 2,
      retained_bytes: 1,
    },
  ],
  copies_in_flight: [
    { sha256, depot_base_url: 'http://depot', received_bytes: 1, size_bytes: 2, time_started: time },
  ],
  copies_failed: [
    { sha256, depot_base_url: 'http://depot', error_code: 'COPY_SOURCE', message: 'cut off', time },
  ],
  deletions_total: 7,
  deletions: [{ sha256, generation: 2, reason: 'no release lists it', time }],
  deletions_deferred: [
    {
      sha256,
      reason: 'in use',
      leases: [{ sha256, id, holder: 'installer', term_s: 60, time_expires: time, remaining_s: 0.5 }],
    },
  ],
  deletions_waiting: { artifacts: 3, size_bytes: 9, first: [{ sha256, size_bytes: 3, remaining_s: 0.5 }] },
  deletions_limited: { artifacts: 4, size_bytes: 8, first: [{ sha256, size_bytes: 2, remaining_s: 86_400 }] },
  quarantined: [{ sha256, dataset_id: id, reason: 'rot', time }],
  scrub: {
    cycle_started: time,
    cycles_completed: 1,
    files_done: 2,
    files_total: 3,
    bytes_done: 4,
    last_completed: time,
    last_bad: { sha256, reason: 'rot', time },
  },
};

test('the operator is shown what the sled listed, field by field', () => {
  const { target } = fakeSled(1);
  const record: SledRecord = {
    id: target.id,
    info: registration(),
    policy: 'in_service',
    timeRegisteredMs: 0,
    timeLastRegisteredMs: 0,
    timeExpungedMs: undefined,
  };
  const report = sledReportOf(ArtifactListResponse.parse({ generation: 2, list: {}, ...EXTRAS }));
  const answer = { kind: 'refused', error: '', code: 'IO', sinceMs: 0 } as const;
  const observation: Pick<Observation, 'sleds' | 'wanted' | 'reasons'> = {
    sleds: [{ id: target.id, serial: target.serial, target, report, answer }],
    wanted: {
      generation: asGeneration(2),
      digest: '',
      lineage: { first: asGeneration(1), recorded: new Set() },
      artifacts: new Map(),
      releases: [],
    },
    reasons: [],
  };
  const { dataset_health: datasets, ...listed } = EXTRAS;
  expect(sledView(record, observation as Observation, undefined)).toMatchObject({ ...listed, datasets });
});
