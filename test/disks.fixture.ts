/**
 * Disks of a test: small file systems in memory, mounted and unmounted under a running sled agent.
 *
 *     BASE/disk       the file system itself, which keeps its content
 *     BASE/dataset    where it is mounted for the sled: the mount point of an absent disk is an empty directory
 *
 * DF1. The directory's name carries the process id of the test. Disposing unmounts and removes it; what a killed
 *      test left behind is removed by the next one, as its process is gone.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isAlive } from '../src/lib/process-alive.ts';

const run = promisify(execFile);
const PREFIX = 'tuf-depot-disk-';

const mount = async (...args: string[]): Promise<void> => void (await run('mount', args));
/** A process keeps its open files; the path leads elsewhere at once. */
const unmount = async (path: string): Promise<void> => void (await run('umount', ['-l', path]));

export type TestDisk = AsyncDisposable & {
  /** A directory for a sled's configuration. */
  readonly dataset: string;
  /** The disk goes away; its content stays with it. */
  readonly remove: () => Promise<void>;
  readonly insert: () => Promise<void>;
  /** The files in the mount point while the disk is away. */
  readonly namesInMountPoint: () => Promise<string[]>;
  /**
   * Makes the disk read-only, as a kernel does after errors, also while files are open for writing. `mount -o remount,ro`
   * refuses that, so a second, read-only mount covers the first.
   */
  readonly makeReadOnly: () => Promise<void>;
  readonly makeWritable: () => Promise<void>;
};

export const createTestDisk = async (
  sizeBytes: number,
  { inodes }: { readonly inodes?: number } = {},
): Promise<TestDisk> => {
  await removeLeftovers();
  await using undo = new AsyncDisposableStack();
  const base = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  undo.defer(() => rm(base, { recursive: true }));
  const disk = join(base, 'disk');
  const dataset = join(base, 'dataset');
  await mkdir(disk);
  await mkdir(dataset);
  const limits = `size=${sizeBytes}${inodes === undefined ? '' : `,nr_inodes=${inodes}`}`;
  await mount('-t', 'tmpfs', '-o', limits, 'tmpfs', disk);
  undo.defer(() => unmount(disk));
  await mount('--bind', disk, dataset);
  undo.defer(() => unmountAll(dataset));
  const owned = undo.move();
  return {
    dataset,
    remove: () => unmount(dataset),
    insert: () => mount('--bind', disk, dataset),
    namesInMountPoint: () => readdir(dataset),
    async makeReadOnly() {
      await mount('--bind', dataset, dataset);
      await mount('-o', 'remount,ro,bind', dataset);
    },
    makeWritable: () => unmount(dataset),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** Unmounts every mount at the path. */
const unmountAll = async (path: string): Promise<void> => {
  for (const mounted of await mountPoints()) if (mounted === path) await unmount(path);
};

const mountPoints = async (): Promise<string[]> =>
  (await readFile('/proc/self/mounts', 'utf8')).split('\n').flatMap(line => line.split(' ')[1] ?? []);

/** DF1: of tests whose process is gone. */
const removeLeftovers = async (): Promise<void> => {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const base = join(tmpdir(), name);
    for (const mounted of await mountPoints())
      if (mounted.startsWith(`${base}/`)) await unmount(mounted).catch(() => undefined);
    await rm(base, { recursive: true, force: true });
  }
};

/** Tries to make a disk; the reason why this machine cannot, or undefined. */
export const missingForDisks = async (): Promise<string | undefined> => {
  try {
    await using disk = await createTestDisk(1024 ** 2);
    await disk.makeReadOnly();
    return undefined;
  } catch (error) {
    const lines = (error as Error).message.trim().split('\n');
    const why = lines.find(line => line.startsWith('mount:')) ?? lines[0];
    return `file systems cannot be mounted (that needs root, or \`unshare -Urm\`): ${why}`;
  }
};
