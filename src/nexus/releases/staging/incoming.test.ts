import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createMemoryDisk, interposed, type Operation, systemError } from '../../../lib/disk.fixture.ts';
import { openStagingDirectory } from './directory.ts';
import { openIncoming } from './incoming.ts';
import { createStagingSpace } from './space.ts';
import { stagedArchive } from './staged-archive.fixture.ts';

const { signal } = new AbortController();
const STAGING = '/staging';
const WRITING: ReadonlySet<string> = new Set([
  'createFile',
  'write',
  'sync',
  'truncate',
  'rename',
  'syncDirectory',
]);

/** Receives an archive and keeps it, as an upload does; the `at`-th operation that writes meets a full disk. */
const receive = async (at: number, code: string) => {
  /** Not before the directory is open. */
  let count = -Infinity;
  let failed: Operation | undefined;
  const memory = createMemoryDisk(['/', STAGING]);
  const disk = interposed(memory.disk, operation => {
    if (!WRITING.has(operation.name)) return;
    count += 1;
    if (count !== at) return;
    failed = operation;
    throw systemError(code);
  });
  await using directory = await openStagingDirectory(STAGING, {
    disk,
    lockDirectory: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
  });
  const archive = stagedArchive();
  const upload = async () => {
    const space = createStagingSpace(STAGING, async () => 2 ** 30);
    const announced = { uploadId: archive.uploadId, announcedBytes: 3 };
    await using incoming = await openIncoming({ directory, space }, announced, { signal });
    await incoming.write(new Uint8Array([1, 2, 3]), { signal });
    await incoming.seal();
    await incoming.keep(archive);
  };
  count = 0;
  const error = await upload().then(
    () => undefined,
    (told: unknown) => told,
  );
  await setImmediate();
  return { failed, error, left: [...memory.files().keys()].filter(name => !name.endsWith('/nexus-id')) };
};

test.each(['ENOSPC', 'EDQUOT'])(
  'a staging disk that is full (%s) refuses an upload with NO_SPACE and its numbers at every step, and nothing is left of it (S16)',
  async code => {
    const steps: string[] = [];
    for (let at = 1; ; at += 1) {
      const { failed, error, left } = await receive(at, code);
      if (failed === undefined) {
        expect(error, 'nothing failed').toBeUndefined();
        expect(left, 'the archive and its sidecar').toHaveLength(2);
        break;
      }
      steps.push(failed.name);
      expect(error, failed.name).toMatchObject({
        code: 'NO_SPACE',
        status: 507,
        message: expect.stringMatching(
          /^the (file system|disk quota) of \/staging is full: \d+ bytes are free$/,
        ),
      });
      expect(left, `${failed.name} of ${failed.path}`).toEqual([]);
    }
    expect(new Set(steps)).toEqual(new Set(['createFile', 'write', 'sync', 'rename', 'syncDirectory']));
  },
);

test('a staging directory on a file system that cannot make names durable is refused with the reason (B1)', async () => {
  const disk = interposed(createMemoryDisk(['/', STAGING]).disk, ({ name }) => {
    if (name === 'syncDirectory') throw systemError('EINVAL');
  });
  const lockDirectory = async () => ({ [Symbol.asyncDispose]: async () => undefined });
  await expect(openStagingDirectory(STAGING, { disk, lockDirectory })).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringContaining('the file system of /staging does not support fsync of a directory'),
  });
});
