import { expect, test } from 'vitest';
import { createStagingSpace, freeBytesOf, SPACE_MARGIN_BYTES } from './space.ts';

const signal = new AbortController().signal;
const MIB = 1024 ** 2;

test('space that is reserved for one upload is not reserved for another, and is free again afterwards (S16)', async () => {
  const space = createStagingSpace('/staging', async () => SPACE_MARGIN_BYTES + 100 * MIB);
  const first = space.open();
  await first.grow(60 * MIB, { signal });
  const second = space.open();
  await expect(second.grow(60 * MIB, { signal })).rejects.toMatchObject({
    code: 'NO_SPACE',
    message: expect.stringMatching(/needs 62914560 bytes.*\/staging.*62914560 are reserved/),
    detail: { needed_bytes: 60 * MIB, promised_bytes: 60 * MIB },
  });
  first.release();
  await second.grow(60 * MIB, { signal });
});

test('written bytes are counted by the file system, and no longer as reserved (S16)', async () => {
  let free = SPACE_MARGIN_BYTES + 100 * MIB;
  const space = createStagingSpace('/staging', async () => free);
  const first = space.open();
  await first.grow(60 * MIB, { signal });
  first.wrote(60 * MIB);
  free -= 60 * MIB;
  expect(first.leftBytes()).toBe(0);
  await space.open().grow(40 * MIB, { signal });
  await expect(space.open().grow(1, { signal })).rejects.toMatchObject({ code: 'NO_SPACE' });
});

test('of two concurrent uploads that do not both fit, exactly one is accepted', async () => {
  const space = createStagingSpace('/staging', async () => SPACE_MARGIN_BYTES + 100 * MIB);
  const asked = await Promise.allSettled([1, 2, 3].map(() => space.open().grow(60 * MIB, { signal })));
  expect(asked.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
});

test('the free bytes of a real file system are a number of bytes', async () => {
  expect(await freeBytesOf('/')).toBeGreaterThan(0);
});
