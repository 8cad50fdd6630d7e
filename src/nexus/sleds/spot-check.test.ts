import { expect, test } from 'vitest';
import { UploadId } from '../../core/ids.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { MAX_SKIPPED_BYTES } from '../../sled-client/sled-connection.ts';
import { contentOf, type FakeSled, fakeConnection, fakeSled, hashOf } from './fleet.fixture.ts';
import { createFleetMemory } from './sled-memory.ts';
import { SPOT_CHECK_BYTES, spotCheck } from './spot-check.ts';

const SIZE = 3 * SPOT_CHECK_BYTES;
const uploadId = UploadId.parse('00000003-0000-4000-8000-000000000001');

const checking = (count: number, artifacts = [1, 2], size = SIZE) => {
  const sleds = Array.from({ length: count }, (_, n) => fakeSled(n + 1));
  for (const sled of sleds) for (const n of artifacts) sled.files.set(hashOf(n, size), contentOf(n, size));
  const connection = fakeConnection(sleds);
  const memory = createFleetMemory({ clock: systemClock, rng: seededRng(1) });
  const offsets: number[] = [];
  const deps = {
    connection,
    memory,
    rng: seededRng(7),
    clock: systemClock,
    staging: {
      openArtifact: async (_upload: UploadId, sha256: string) => {
        const bytes = contentOf(artifacts.find(n => hashOf(n, size) === sha256)!, size);
        return {
          sizeBytes: size,
          chunks: async function* () {
            yield bytes;
          },
          async readRange(offset: number, length: number) {
            offsets.push(offset);
            return bytes.subarray(offset, offset + length);
          },
          [Symbol.asyncDispose]: async () => undefined,
        };
      },
    },
  };
  const check = (enough: number, signal = new AbortController().signal) =>
    spotCheck(
      deps,
      {
        uploadId,
        holders: sleds.map(sled => sled.target),
        artifacts: new Map(artifacts.map(n => [hashOf(n, size), size])),
        enough,
      },
      { log: silentLogger, signal },
    );
  return { sleds, check, memory, connection, offsets };
};

const distrusted = (memory: ReturnType<typeof checking>['memory'], sled: FakeSled) =>
  memory.sled(sled.target.id).distrust;
const lie = async () => contentOf(9, SPOT_CHECK_BYTES);

test('a range of every artifact is read from as many sleds as are enough, at places that change (P9)', async () => {
  const { check, connection, offsets } = checking(4);
  expect(await check(3)).toBe(true);
  expect(connection.log).toHaveLength(6);
  await check(3);
  expect(new Set(offsets).size).toBeGreaterThan(6);
});

test('fewer sleds that prove it than are enough are not enough, however many list it (SC1, P9)', async () => {
  const { check, sleds } = checking(5);
  for (const liar of sleds.slice(0, 3)) liar.fault.readRange = lie;
  expect(await check(3)).toBe(false);
  expect(await check(2)).toBe(true);
});

test('a sled with other bytes is distrusted until it proves them; one that does not answer is not (SC2)', async () => {
  const { check, sleds, memory } = checking(3);
  const [liar, dead] = sleds as [FakeSled, FakeSled];
  liar.fault.readRange = lie;
  dead.fault.readRange = async () => {
    throw new DepotError('PEER_UNREACHABLE', 'connection refused');
  };
  expect(await check(3)).toBe(false);
  expect(distrusted(memory, liar)).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(distrusted(memory, dead)).toBeUndefined();
  liar.fault = {};
  expect(await check(1), 'the one that was caught is looked at first').toBe(true);
  expect(distrusted(memory, liar)).toBeUndefined();
});

test('a sled that sends whole files is read near the beginning of an artifact, where it can be caught too (SC4, P9)', async () => {
  const { check, sleds, memory } = checking(1, [1], 2 * MAX_SKIPPED_BYTES);
  const [sled] = sleds as [FakeSled];
  const asked: number[] = [];
  const readWhole = async (offset: number, length: number) => {
    asked.push(offset);
    if (offset > MAX_SKIPPED_BYTES) throw new DepotError('PEER_RANGE_IGNORED', 'sends the whole file');
    return contentOf(1, 2 * MAX_SKIPPED_BYTES).subarray(offset, offset + length);
  };
  sled.fault.readRange = readWhole;
  while (!asked.some(offset => offset > MAX_SKIPPED_BYTES)) expect(await check(1)).toBe(true);
  sled.fault.readRange = async (offset: number, length: number) =>
    (await readWhole(offset, length)).map(byte => ~byte);
  expect(await check(1)).toBe(false);
  expect(distrusted(memory, sled)).toBeDefined();
});

test('while one sled does not answer the others are looked at, and the next takes its place (SC3, G8)', async () => {
  const { check, sleds, memory, connection } = checking(4);
  const [slow] = sleds as [FakeSled];
  const answer = Promise.withResolvers<never>();
  slow.fault.readRange = () => answer.promise;
  memory.bytesDiffer(slow.target.id, hashOf(1)); // so that it is asked first
  const result = check(3);
  await expect.poll(() => connection.log.length).toBe(1 + 2 * 2); // two ranges of two sleds
  answer.reject(new DepotError('PEER_STALLED', 'sent nothing'));
  expect(await result).toBe(true);
});

test('a stop ends the check with its reason, and nobody is blamed (S15)', async () => {
  const { check, sleds, memory } = checking(1);
  const stop = new AbortController();
  sleds[0]!.fault.readRange = async () => {
    stop.abort(new DepotError('SHUTTING_DOWN', 'stopping'));
    throw stop.signal.reason;
  };
  await expect(check(1, stop.signal)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  expect(distrusted(memory, sleds[0]!)).toBeUndefined();
});
