import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { UploadId } from '../../../core/ids.ts';
import { createTestClock } from '../../../lib/clock.fixture.ts';
import { followClient } from './client-wait.ts';

const uploadId = UploadId.parse('00000000-0000-4000-8000-000000000001');

const setUp = ({ answerAfterMs }: { answerAfterMs: number | undefined } = { answerAfterMs: 20_000 }) => {
  const clock = createTestClock();
  const request = new AbortController();
  const upload = Promise.withResolvers<string>();
  const client = followClient(clock, {
    ...{ uploadId, answerAfterMs, signal: request.signal, report: () => undefined },
  });
  const answer = client.answer(upload.promise).catch((error: unknown) => error);
  return { clock, request, upload, client, answer };
};

test('a client that goes away while its request is open ends its upload (CW1)', () => {
  const { request, client } = setUp();
  request.abort();
  expect(client.signal.aborted).toBe(true);
});

test('a client whose upload waits for long receives the id, and the upload goes on without it (CW2)', async () => {
  const { clock, request, client, answer } = setUp();
  client.waits(true);
  await clock.advance(19_999);
  client.waits(true);
  await clock.advance(1);
  expect(await answer).toMatchObject({ code: 'DATABASE_UNAVAILABLE', detail: { upload_id: uploadId } });
  request.abort();
  expect(client.signal.aborted).toBe(false);
  expect(clock.sleeping()).toBe(0);
});

test('an upload that goes on after a short wait is not answered as one that waits', async () => {
  const { clock, upload, client, answer } = setUp();
  client.waits(true);
  await clock.advance(15_000);
  client.waits(false);
  await clock.advance(15_000);
  client.waits(true);
  await clock.advance(15_000);
  upload.resolve('recorded');
  expect(await answer).toBe('recorded');
});

test('an upload that ends in time is answered with its outcome', async () => {
  const { clock, upload, client, answer } = setUp();
  client.waits(true);
  upload.resolve('recorded');
  expect(await answer).toBe('recorded');
  await delay(0);
  expect(clock.sleeping()).toBe(0);
});

test('a caller that waits as long as its upload receives nothing in between', async () => {
  const { clock, upload, client, answer } = setUp({ answerAfterMs: undefined });
  client.waits(true);
  await clock.advance(3_600_000);
  upload.resolve('recorded');
  expect(await answer).toBe('recorded');
});
