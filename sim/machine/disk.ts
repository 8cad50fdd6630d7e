/**
 * The disk of one process: operations on the volumes of its machine, each of which may take time, fail, or be the
 * last before a crash.
 *
 *     operation ─▶ process still there? ─▶ fault? ─▶ effect now, answer later | effect later, with the answer
 *
 * DI1. An operation of a process that has ended has no effect and no answer.
 * DI2. A process may be killed before any operation, or between its effect and its answer.
 */
import { type Disk, type DiskFile, systemErrorIs } from '../../src/lib/disk.ts';
import { namingErrors } from '../../src/lib/disk-errors.ts';
import type { SimProcess } from '../time/process.ts';
import { type DirectoryNode, type FileNode, newDirectory, newFile } from './medium.ts';
import { requireUsable, systemError, usedBytes, type Volume } from './volume.ts';

export type OperationName = keyof Disk | keyof DiskFile;
type Operation = { readonly name: OperationName; readonly path: string; readonly volume: Volume };

/** The simulation's decision about an operation. */
export type OperationFate = {
  /** 0: at once. */
  readonly latencyMs: number;
  /** Whether an operation that takes time has its effect before the wait, or with the answer. */
  readonly isEffectFirst: boolean;
  readonly error: string | undefined;
};

export type DiskWatcher = {
  readonly decide: (operation: Operation) => OperationFate;
  /** After a name has changed: `path` is the new name, `from` the old one of a rename. */
  readonly onNameChange: (
    change: 'rename' | 'unlink',
    place: { readonly volume: Volume; readonly path: string; readonly from?: string },
  ) => void;
};

type Deps = {
  readonly process: SimProcess;
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly watcher: DiskWatcher;
};

const CHANGES: ReadonlySet<OperationName> = new Set([
  'createFile',
  'makeDirectory',
  'rename',
  'unlink',
  'write',
  'truncate',
  'sync',
  'syncDirectory',
]);

/** TP1. A new promise each time, so that its waiters are freed together with it. */
const never = (): Promise<never> => new Promise(() => undefined);

export const createDisk = (deps: Deps): Disk => {
  const run = operationRunner(deps);
  const on = <T>(name: OperationName, path: string, effect: (place: Place) => T): Promise<T> => {
    const volume = deps.volumes.get(rootOf(path));
    if (volume === undefined) return Promise.reject(systemError('ENOENT', path));
    return run({ name, path, volume }, () => effect(locate(volume, path)));
  };
  return namingErrors({
    createFile: path =>
      on('createFile', path, ({ directory, name, volume }) => {
        if (directory.now.has(name)) throw systemError('EEXIST', path);
        const node = newFile();
        volume.medium.link(directory, name, node);
        return openNode(run, volume, path, node);
      }),
    openFile: path =>
      on('openFile', path, ({ directory, name, volume }) => {
        const node = directory.now.get(name);
        if (node?.kind !== 'file') throw systemError('ENOENT', path);
        return openNode(run, volume, path, node);
      }),
    readDirectory: path => on('readDirectory', path, place => [...directoryAt(place).now.keys()]),
    makeDirectory: path =>
      on('makeDirectory', path, ({ directory, name, volume }) => {
        if (name === '' || directory.now.has(name)) throw systemError('EEXIST', path);
        volume.medium.link(directory, name, newDirectory());
      }),
    async sizeOf(path) {
      try {
        return await on('sizeOf', path, ({ directory, name }) => {
          const node = directory.now.get(name);
          return node?.kind === 'file' ? node.content.length : undefined;
        });
      } catch (error) {
        // There is no file either if its directory, or the whole disk, is missing.
        if (systemErrorIs(error, 'ENOENT')) return undefined;
        throw error;
      }
    },
    rename: (from, to) =>
      on('rename', to, target => {
        if (rootOf(from) !== target.volume.path) throw systemError('EXDEV', from);
        const source = locate(target.volume, from);
        const node = source.directory.now.get(source.name);
        if (node === undefined) throw systemError('ENOENT', from);
        if (node.kind === 'file' && isDirectory(target)) throw systemError('EISDIR', to);
        target.volume.medium.rename(source.directory, source.name, target.directory, target.name);
        deps.watcher.onNameChange('rename', { volume: target.volume, path: to, from });
      }),
    unlink: path =>
      on('unlink', path, place => {
        const { directory, name, volume } = place;
        if (isDirectory(place)) throw systemError('EISDIR', path);
        if (!directory.now.has(name)) throw systemError('ENOENT', path);
        volume.medium.unlink(directory, name);
        deps.watcher.onNameChange('unlink', { volume, path });
      }),
    syncDirectory: path =>
      on('syncDirectory', path, place => place.volume.medium.syncNames(directoryAt(place))),
    freeBytes: path =>
      on('freeBytes', path, ({ volume }) => Math.max(0, volume.capacityBytes - usedBytes(volume.top()))),
    freeInodes: () => Promise.resolve(undefined),
  });
};

type Place = {
  readonly path: string;
  readonly volume: Volume;
  readonly directory: DirectoryNode;
  /** Empty for the top of a volume. */
  readonly name: string;
};

const rootOf = (path: string): string => {
  const end = path.indexOf('/', 1);
  return end < 0 ? path : path.slice(0, end);
};

const locate = (volume: Volume, path: string): Place => {
  const names = path.slice(volume.path.length + 1).split('/');
  const name = names.pop() ?? '';
  let directory = volume.top();
  for (const each of names) {
    const next = directory.now.get(each);
    if (next?.kind !== 'directory') throw systemError('ENOENT', path);
    directory = next;
  }
  return { path, volume, directory, name };
};

const isDirectory = ({ directory, name }: Place): boolean =>
  name === '' || directory.now.get(name)?.kind === 'directory';

const directoryAt = ({ directory, name, path }: Place): DirectoryNode => {
  if (name === '') return directory;
  const node = directory.now.get(name);
  if (node?.kind !== 'directory') throw systemError('ENOENT', path);
  return node;
};

type Runner = <T>(operation: Operation, effect: () => T) => Promise<T>;

const operationRunner =
  ({ process, watcher }: Deps): Runner =>
  (operation, effect) => {
    if (process.state() === 'ended') return never();
    const { name, path, volume } = operation;
    const fate = watcher.decide(operation);
    // The decision may have killed the process.
    if (process.state() === 'ended') return never();
    const act = () => {
      if (fate.error !== undefined) throw systemError(fate.error, path);
      requireUsable(volume, path, CHANGES.has(name));
      return effect();
    };
    if (fate.latencyMs === 0) return attempt(act);
    if (!fate.isEffectFirst)
      return new Promise(resolve => process.after(fate.latencyMs, () => resolve(attempt(act))));
    const outcome = attempt(act);
    outcome.catch(() => undefined);
    return new Promise(resolve => process.after(fate.latencyMs, () => resolve(outcome)));
  };

const attempt = <T>(act: () => T): Promise<T> => {
  try {
    return Promise.resolve(act());
  } catch (error) {
    return Promise.reject(error);
  }
};

const openNode = (run: Runner, volume: Volume, path: string, node: FileNode): DiskFile => {
  const { session } = volume;
  const on = <T>(name: OperationName, effect: () => T): Promise<T> =>
    run({ name, path, volume }, () => {
      // A file that was opened before its disk went away is closed for good.
      if (volume.session !== session) throw systemError('EIO', path);
      return effect();
    });
  return {
    write: (chunk, position) =>
      on('write', () => {
        const end = position + chunk.length;
        const growth = Math.max(0, end - node.content.length);
        if (growth > 0 && usedBytes(volume.top()) + growth > volume.capacityBytes)
          throw systemError('ENOSPC', path);
        const grown = new Uint8Array(Math.max(node.content.length, end));
        grown.set(node.content);
        grown.set(chunk, position);
        node.content = grown;
      }),
    read: (target, position) =>
      on('read', () => {
        const piece = node.content.subarray(position, position + target.length);
        target.set(piece);
        return piece.length;
      }),
    sizeBytes: () => on('sizeBytes', () => node.content.length),
    truncate: sizeBytes =>
      on('truncate', () => {
        const cut = new Uint8Array(sizeBytes);
        cut.set(node.content.subarray(0, sizeBytes));
        node.content = cut;
      }),
    sync: () =>
      on('sync', () => {
        node.durable = node.content;
      }),
    close: () => Promise.resolve(),
  };
};
