import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type ArtifactHash, asGeneration, FIRST_GENERATION, SledId } from '../../../core/ids.ts';
import type { DatasetHealth } from '../../../core/sled-report.ts';
import type { SledRecord } from '../../datastore/ports/sled-port.ts';
import type { WantedSet } from '../../datastore/ports/wanted-set-port.ts';
import { createFleetCapacity, METADATA_ALLOWANCE_BYTES } from './fleet-capacity.ts';

const signal = new AbortController().signal;
const hash = (digit: string) => digit.repeat(64) as ArtifactHash;

const dataset = (health: Partial<DatasetHealth>): DatasetHealth => ({
  id: null,
  path: '/data',
  state: 'ok',
  ...health,
});
const withFree = (freeBytes: number) => [dataset({ freeBytes, quotaBytes: 10_000 })];

/** A fleet of sleds with these datasets, while these artifacts are wanted. */
const capacityOf = (sleds: readonly DatasetHealth[][], present: [ArtifactHash, number][] = []) => {
  const wanted: WantedSet = {
    generation: asGeneration(2),
    digest: '',
    lineage: { first: FIRST_GENERATION, recorded: new Set() },
    artifacts: new Map(present),
    releases: [],
  };
  const records = sleds.map(
    datasets => ({ id: SledId.parse(randomUUID()), info: { datasets } }) as unknown as SledRecord,
  );
  // Pages of two, to see that all of them are read.
  const sledList = async ({ pageToken }: { pageToken?: string | undefined }) => {
    const start = Number(pageToken ?? 0);
    const nextPage = start + 2 < records.length ? String(start + 2) : undefined;
    return { items: records.slice(start, start + 2), nextPage };
  };
  return createFleetCapacity({
    minSledReplication: 3,
    datastore: { wantedSet: async () => wanted, sledList },
  });
};

test('with space on fewer than three sleds a release is refused, with the numbers (S16)', async () => {
  const capacity = capacityOf([withFree(1000), withFree(10), withFree(20), withFree(2000)]);
  await expect(capacity.checkAnnounced(METADATA_ALLOWANCE_BYTES + 500, { signal })).rejects.toMatchObject({
    code: 'FLEET_SPACE',
    message: expect.stringMatching(
      /needs 500 more bytes.*2 of 4 sleds have space, 3 are required.*largest space on another sled is 20 bytes/,
    ),
    detail: { needed_bytes: 500, sleds_with_room: 2, sleds_required: 3, largest_free_bytes: 20 },
  });
});

test('one full sled does not make an upload fail while three have space (S16, G8)', async () => {
  const capacity = capacityOf([withFree(1000), withFree(1000), withFree(1000), withFree(0)]);
  await capacity.checkAnnounced(METADATA_ALLOWANCE_BYTES + 500, { signal });
});

test('sleds that have not registered yet do not count as full (S16)', async () => {
  await capacityOf([]).checkAnnounced(METADATA_ALLOWANCE_BYTES + 500, { signal });
  await capacityOf([withFree(1000)]).checkAnnounced(METADATA_ALLOWANCE_BYTES + 500, { signal });
});

test('what sleds delete by themselves is room, what something keeps is not (T4)', async () => {
  const announced = METADATA_ALLOWANCE_BYTES + 500;
  const withUnlisted = (health: Partial<DatasetHealth>) =>
    capacityOf([1, 2, 3].map(() => [dataset({ quotaBytes: 1000, ...health })]));
  await withUnlisted({ freeBytes: 100, reclaimableBytes: 400 }).checkAnnounced(announced, { signal });
  for (const short of [
    { freeBytes: 100, reclaimableBytes: 399 },
    { freeBytes: 100, retainedBytes: 400 },
    { freeBytes: 9000, retainedBytes: 501 },
  ])
    await expect(withUnlisted(short).checkAnnounced(announced, { signal })).rejects.toMatchObject({
      code: 'FLEET_SPACE',
    });
});

test('artifacts that a present release lists need no further space (S16)', async () => {
  const capacity = capacityOf(
    [withFree(100), withFree(100), withFree(100)],
    [
      [hash('a'), 5000],
      [hash('b'), 300],
    ],
  );
  await capacity.checkRelease(
    new Map([
      [hash('a'), 5000],
      [hash('c'), 90],
    ]),
    { signal },
  );
  // Before the bytes are there, all of it may be shared.
  await capacity.checkAnnounced(METADATA_ALLOWANCE_BYTES + 5400, { signal });
  await expect(capacity.checkAnnounced(METADATA_ALLOWANCE_BYTES + 5401, { signal })).rejects.toMatchObject({
    code: 'FLEET_SPACE',
  });
  await expect(capacity.checkRelease(new Map([[hash('c'), 101]]), { signal })).rejects.toMatchObject({
    code: 'FLEET_SPACE',
    detail: { needed_bytes: 101 },
  });
});

test('a release that lost its copies is accepted again, even if its metadata would not fit (S16, S13)', async () => {
  const present: [ArtifactHash, number][] = [[hash('a'), 9900]];
  const sleds = [1, 2, 3].map(() => withFree(10_000));
  const capacity = capacityOf(sleds, present);
  await capacity.checkAnnounced(15_000, { signal });
  await capacity.checkRelease(new Map(present), { signal });
});

test('the space left by a quota is reported if it is less than that of the disk (S16)', async () => {
  const capacity = capacityOf([withFree(9999), withFree(9999), withFree(9999)], [[hash('a'), 9900]]);
  await expect(capacity.checkRelease(new Map([[hash('c'), 101]]), { signal })).rejects.toMatchObject({
    message: expect.stringContaining('largest space on another sled is 100 bytes'),
  });
});

test('a release is refused if quotas could never hold it beside all present ones, whatever is free now (S16)', async () => {
  const capacity = capacityOf([withFree(9000), withFree(9000), withFree(9000)], [[hash('a'), 9000]]);
  await expect(capacity.checkRelease(new Map([[hash('c'), 2000]]), { signal })).rejects.toMatchObject({
    code: 'FLEET_SPACE',
  });
});

test('a dataset that cannot be written has no space; a sled that does not report counts as having space', async () => {
  const broken = (['missing', 'failed', 'read_only'] as const).map(state => [
    dataset({ state, freeBytes: 1000 }),
  ]);
  await expect(
    capacityOf(broken).checkAnnounced(METADATA_ALLOWANCE_BYTES + 1, { signal }),
  ).rejects.toMatchObject({
    code: 'FLEET_SPACE',
  });
  await capacityOf([
    [],
    [dataset({})],
    [dataset({ state: 'failed' }), dataset({ freeBytes: 5 })],
  ]).checkAnnounced(METADATA_ALLOWANCE_BYTES + 1, { signal });
});
