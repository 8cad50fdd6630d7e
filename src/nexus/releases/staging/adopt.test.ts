import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { ArtifactHash, RepoId } from '../../../core/ids.ts';
import { decideAdoption, type FoundUpload } from './adopt.ts';
import { stagedArchive } from './staged-archive.fixture.ts';

const row = { repoId: RepoId.parse(randomUUID()) };
const decide = (found: Partial<FoundUpload>) =>
  decideAdoption({
    hasArchive: true,
    hasParts: false,
    sidecar: 'absent',
    row: undefined,
    isReleaseKnown: true,
    ...found,
  });

test('an archive whose row exists is adopted, whatever its marks say (B1, P4)', () => {
  for (const acknowledged of [false, true])
    for (const dropping of [false, true])
      expect(decide({ sidecar: stagedArchive({ acknowledged, dropping }), row })).toMatchObject({
        kind: 'take_up',
        archive: { repoId: row.repoId, acknowledged: true, dropping: false },
      });
});

test('an archive without a row is removed if it was being dropped or never acknowledged (P4)', () => {
  expect(decide({ sidecar: stagedArchive({ acknowledged: true, dropping: true }) })).toMatchObject({
    kind: 'remove',
    reason: 'it was being dropped',
  });
  expect(decide({ sidecar: stagedArchive() })).toMatchObject({
    kind: 'remove',
    reason: 'it was never recorded',
  });
  expect(decide({ sidecar: 'absent' })).toMatchObject({ kind: 'remove' });
});

test('an acknowledged archive without a row means that the database has lost it: it is recorded again (P4)', () => {
  expect(decide({ sidecar: stagedArchive({ acknowledged: true }) })).toMatchObject({ kind: 'record_again' });
});

test('a marked archive whose release the database does not know was lost by it, not dropped (P4)', () => {
  const found = { sidecar: stagedArchive({ acknowledged: true, dropping: true }), isReleaseKnown: false };
  expect(decide(found)).toMatchObject({ kind: 'record_again', archive: { dropping: false } });
});

test('a row without an archive is removed (P4)', () => {
  for (const found of ['absent', 'unreadable', stagedArchive({ acknowledged: true })] as const)
    expect(decide({ hasArchive: false, sidecar: found, row })).toMatchObject({ kind: 'forget_row' });
});

test('an archive that may matter and cannot be read is kept, never removed', () => {
  expect(decide({ sidecar: 'unreadable' })).toMatchObject({ kind: 'keep' });
  expect(decide({ sidecar: 'unreadable', row })).toMatchObject({ kind: 'keep' });
  expect(decide({ sidecar: 'absent', row })).toMatchObject({ kind: 'keep' });
});

test('a sidecar without archive and row is a leftover', () => {
  expect(decide({ hasArchive: false, sidecar: stagedArchive({ acknowledged: true }) })).toMatchObject({
    kind: 'remove',
  });
});

test('an archive whose parts are gone is kept, not served; if it was neither recorded nor acknowledged, it is removed', () => {
  const artifacts = new Map([[ArtifactHash.parse('a'.repeat(64)), { sizeBytes: 1, partOffset: 0 }]]);
  expect(decide({ sidecar: stagedArchive({ artifacts }), row })).toMatchObject({ kind: 'keep' });
  expect(decide({ sidecar: stagedArchive({ artifacts, acknowledged: true }) })).toMatchObject({
    kind: 'keep',
  });
  expect(decide({ sidecar: stagedArchive({ artifacts }) })).toMatchObject({ kind: 'remove' });
  const dropped = stagedArchive({ artifacts, acknowledged: true, dropping: true });
  expect(decide({ sidecar: dropped })).toMatchObject({ kind: 'remove' });
  expect(decide({ sidecar: stagedArchive({ artifacts }), row, hasParts: true })).toMatchObject({
    kind: 'take_up',
  });
});
