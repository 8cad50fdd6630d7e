import { expect, test } from 'vitest';
import { sealFile } from './durable-file.ts';

test('a file that cannot be made durable is closed, and the error is that of the sync, whatever the close says', async () => {
  let closed = 0;
  const full = Object.assign(new Error('full'), { code: 'ENOSPC' });
  const file = {
    sync: () => Promise.reject(full),
    close: async () => {
      closed += 1;
      throw new Error('not closed either');
    },
  };
  await expect(sealFile(file)).rejects.toBe(full);
  expect(closed).toBe(1);
});

test('a file that cannot be closed is not durable', async () => {
  const file = { sync: async () => undefined, close: () => Promise.reject(new Error('lost')) };
  await expect(sealFile(file)).rejects.toThrow('lost');
});
