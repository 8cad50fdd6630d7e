import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPagedWrites } from './paged-writes.ts';

/** Remembers what was written; each write waits until it is released. */
const heldFile = () => {
  const held: (() => void)[] = [];
  const written: { readonly position: number; readonly bytes: Buffer }[] = [];
  return {
    written,
    held,
    async write(chunk: Uint8Array, position: number) {
      await new Promise<void>(resolve => held.push(resolve));
      written.push({ position, bytes: Buffer.from(chunk) });
    },
  };
};

test('pieces of any sizes become one file, in pages that follow each other, although pieces are reused', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 })),
      fc.integer({ min: 1, max: 16 }),
      async (pieces, pageBytes) => {
        const content = Buffer.alloc(pieces.reduce((sum, { length }) => sum + length, 0));
        let end = 0;
        let told = 0;
        const file = {
          async write(chunk: Uint8Array, position: number) {
            expect(position).toBe(end);
            await Promise.resolve();
            content.set(chunk, position);
            end += chunk.length;
          },
        };
        const pages = createPagedWrites(file, {
          pageBytes,
          onWritten: bytes => {
            told += bytes;
          },
        });
        for (const piece of pieces) {
          const reused = Uint8Array.from(piece);
          await pages.write(reused);
          reused.fill(0xff);
        }
        await pages.flush();
        expect(content).toEqual(Buffer.concat(pieces));
        expect(told).toBe(content.length);
      },
    ),
  );
});

test('one page fills while another is written, and a third waits', async () => {
  const file = heldFile();
  const pages = createPagedWrites(file, { pageBytes: 4 });
  await pages.write(Buffer.from('aaaa'));
  expect(file.held).toHaveLength(1);
  let isTaken = false;
  const second = pages.write(Buffer.from('bbbb')).then(() => {
    isTaken = true;
  });
  await new Promise(resolve => setImmediate(resolve));
  expect(isTaken, 'the page of the first write is in use').toBe(false);
  file.held.shift()!();
  await second;
  const flushed = pages.flush();
  await new Promise(resolve => setImmediate(resolve));
  file.held.shift()!();
  await flushed;
  expect(file.written.map(({ position, bytes }) => [position, `${bytes}`])).toEqual([
    [0, 'aaaa'],
    [4, 'bbbb'],
  ]);
});

test('a failure of the disk is thrown by each later call, and nothing is written after it (PW2)', async () => {
  const full = new Error('full');
  let calls = 0;
  const pages = createPagedWrites(
    {
      async write() {
        calls += 1;
        throw full;
      },
    },
    { pageBytes: 2 },
  );
  await pages.write(Buffer.from('aa'));
  await expect(pages.write(Buffer.from('bb'))).rejects.toBe(full);
  await expect(pages.flush()).rejects.toBe(full);
  await pages.settled();
  expect(calls).toBe(1);
});
