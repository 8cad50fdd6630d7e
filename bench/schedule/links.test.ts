import { expect, test } from 'vitest';
import { type Stream, shareLinks } from './links.ts';

const stream = (from: number, to: number, wanted = 1_000): Stream => ({ from, to, wanted, got: 0 });

test('streams share a link fairly, and what one does not need goes to the others', () => {
  const links = { up: Float64Array.of(90, 90, 90), down: Float64Array.of(90, 90, 90) };
  const streams = [stream(0, 1), stream(0, 2), stream(0, 2, 10)];
  shareLinks(links, streams);
  expect(streams.map(({ got }) => Math.round(got))).toEqual([40, 40, 10]);
  expect(links.up[0], 'of the next step').toBe(90);
});

test('a stream is as fast as the slower one of its links, and leaves the rest of the other', () => {
  const links = { up: Float64Array.of(100, 100), down: Float64Array.of(10, 100) };
  const streams = [stream(1, 0), stream(1, 1)];
  shareLinks(links, streams);
  expect(streams.map(({ got }) => Math.round(got))).toEqual([10, 90]);
});
