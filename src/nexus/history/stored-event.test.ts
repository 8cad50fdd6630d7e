import { expect, test } from 'vitest';
import { asGeneration, EventId, NexusId, SledId } from '../../core/ids.ts';
import type { FleetEvent } from '../datastore/ports/history-port.ts';
import { hashOf } from '../sleds/fleet.fixture.ts';
import { showStored, toStored } from './stored-event.ts';

const SLED = SledId.parse('00000000-0000-4000-8000-000000000001');
const noted = {
  id: EventId.parse('00000000-0000-4000-8000-0000000000ee'),
  timeMs: 1_000,
  nexusId: NexusId.parse('00000000-0000-4000-8000-0000000000aa'),
};
const deletion = {
  kind: 'deletion',
  sledId: SLED,
  sha256: hashOf(1),
  generation: asGeneration(2),
  why: 'no release lists it',
} as const;

test('what is filtered by is in columns and the rest in the details; both come back together (SV2)', () => {
  const stored = toStored(deletion);
  expect(stored).toEqual({
    ...{ kind: 'deletion', sledId: SLED, sha256: hashOf(1), generation: 2 },
    details: { why: 'no release lists it' },
  });
  expect(showStored({ ...noted, ...stored })).toEqual({
    message: `Sled ${SLED} deleted artifact ${hashOf(1)}: no release lists it.`,
    details: {
      kind: 'deletion',
      sled_id: SLED,
      sha256: hashOf(1),
      generation: 2,
      why: 'no release lists it',
    },
  });
});

test('the text of an older version is shown unchanged (SV2)', () => {
  const row: FleetEvent = { ...noted, kind: 'deletion', sledId: SLED, message: 'over: as it was told' };
  expect(showStored(row)).toEqual({
    message: 'over: as it was told',
    details: { kind: 'legacy', text: 'over: as it was told' },
  });
  expect(showStored({ ...noted, kind: 'put' })).toMatchObject({ message: '', details: { text: '' } });
});

test('a kind, a field or a value of a newer version is shown as it is stored, and fails nothing (SV2)', () => {
  for (const [kind, details] of [
    ['sled_melted', { temperature_c: 90 }],
    ['local_repo_held', { upload_id: SLED, how: 'found on the moon' }],
    ['deletion', { because: 'sold' }],
  ] as const) {
    const shown = showStored({ ...noted, kind, sledId: SLED, details });
    expect(shown.message).toContain(JSON.stringify(details));
    expect(shown.details).toEqual({ kind, sled_id: SLED, ...details });
  }
});

test('a field that a newer version added is left out, and the event is shown', () => {
  const { details, ...stored } = toStored(deletion);
  const shown = showStored({ ...noted, ...stored, details: { ...details, weight: 3 } });
  expect(shown.message).toContain('no release lists it');
});
