import { expect, test } from 'vitest';
import { NO_DELETIONS } from '../../../core/deletion.ts';
import { createMemoryDisk } from '../../../lib/disk.fixture.ts';
import { encodeChecked } from './checked-file.ts';
import { encodeDeletions, readDeletions, writeDeletions } from './deletions-file.ts';

test('a file of deletions of a version that counted no changes is whole, and older than any that does (DK7)', async () => {
  const { disk } = createMemoryDisk(['/m2']);
  await writeDeletions(disk, '/m2', encodeChecked(1, { clock_ms: 5, pending: [], hours: [] }));
  const body = { clockMs: 5, changes: 0, record: NO_DELETIONS };
  expect(await readDeletions(disk, '/m2')).toEqual({ kind: 'whole', body });
  const changed = { ...body, changes: 1 };
  await writeDeletions(disk, '/m2', encodeDeletions(changed));
  expect(await readDeletions(disk, '/m2')).toEqual({ kind: 'whole', body: changed });
});
