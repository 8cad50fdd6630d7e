/**
 * Disks for tests: one in memory that can lose its power, and one that calls a hook before each operation.
 *
 * The memory disk tracks written and durable state: content becomes durable when its file is synced, names when their
 * directory is. A power cut loses or keeps each other change by chance.
 */
import { dirname } from 'node:path';
import type { Rng } from '../core/rng.ts';
import type { Disk, DiskFile } from './disk.ts';
import { namingErrors } from './disk-errors.ts';

export type Operation = { readonly name: keyof Disk | keyof DiskFile; readonly path: string };

/** Calls `before` before every operation: its error fails the operation as one of the disk; its promise delays it. */
export const interposed = (disk: Disk, before: (operation: Operation) => void | Promise<void>): Disk => {
  const file = (path: string, inner: DiskFile): DiskFile => ({
    write: async (chunk, position) => {
      await before({ name: 'write', path });
      return inner.write(chunk, position);
    },
    read: async (target, position) => {
      await before({ name: 'read', path });
      return inner.read(target, position);
    },
    sizeBytes: () => inner.sizeBytes(),
    truncate: async sizeBytes => {
      await before({ name: 'truncate', path });
      return inner.truncate(sizeBytes);
    },
    sync: async () => {
      await before({ name: 'sync', path });
      return inner.sync();
    },
    close: () => inner.close(),
  });
  const asked =
    <T>(name: keyof Disk, work: (path: string) => Promise<T>) =>
    async (path: string): Promise<T> => {
      await before({ name, path });
      return work(path);
    };
  return namingErrors({
    createFile: asked('createFile', async path => file(path, await disk.createFile(path))),
    openFile: asked('openFile', async path => file(path, await disk.openFile(path))),
    readDirectory: asked('readDirectory', disk.readDirectory),
    makeDirectory: asked('makeDirectory', disk.makeDirectory),
    sizeOf: asked('sizeOf', disk.sizeOf),
    rename: async (from, to) => {
      await before({ name: 'rename', path: to });
      return disk.rename(from, to);
    },
    unlink: asked('unlink', disk.unlink),
    syncDirectory: asked('syncDirectory', disk.syncDirectory),
    freeBytes: disk.freeBytes,
    freeInodes: disk.freeInodes,
  });
};

export const systemError = (code: string): Error => Object.assign(new Error(`${code}: injected`), { code });

type File = { kind: 'file'; content: Uint8Array; durable: Uint8Array };
type Directory = { kind: 'directory' };
type Names = Map<string, File | Directory>;

export type MemoryDisk = {
  readonly disk: Disk;
  /** Loses each change that was not durable by chance. Open files must not be used again. */
  readonly powerCut: (rng: Rng) => void;
  /** Every file by path, as a process sees it now. */
  readonly files: () => ReadonlyMap<string, Uint8Array>;
};

/** @param directories full paths of directories that exist durably */
export const createMemoryDisk = (directories: readonly string[]): MemoryDisk => {
  let names: Names = new Map(directories.map(path => [path, { kind: 'directory' }]));
  let durableNames: Names = new Map(names);

  const find = (path: string): File => {
    const found = names.get(path);
    if (found === undefined) throw systemError('ENOENT');
    if (found.kind === 'directory') throw systemError('EISDIR');
    return found;
  };
  const needDirectory = (path: string): void => {
    if (names.get(path)?.kind !== 'directory') throw systemError('ENOENT');
  };
  const handle = (file: File): DiskFile => ({
    async write(chunk, position) {
      const end = position + chunk.length;
      const grown = new Uint8Array(Math.max(file.content.length, end));
      grown.set(file.content);
      grown.set(chunk, position);
      file.content = grown;
    },
    async read(target, position) {
      const piece = file.content.subarray(position, position + target.length);
      target.set(piece);
      return piece.length;
    },
    sizeBytes: async () => file.content.length,
    async truncate(sizeBytes) {
      const cut = new Uint8Array(sizeBytes);
      cut.set(file.content.subarray(0, sizeBytes));
      file.content = cut;
    },
    async sync() {
      file.durable = file.content;
    },
    close: async () => undefined,
  });

  const disk: Disk = {
    async createFile(path) {
      needDirectory(dirname(path));
      if (names.has(path)) throw systemError('EEXIST');
      const file: File = { kind: 'file', content: new Uint8Array(), durable: new Uint8Array() };
      names.set(path, file);
      return handle(file);
    },
    async openFile(path) {
      if (names.get(path)?.kind !== 'file') throw systemError('ENOENT');
      return handle(find(path));
    },
    async readDirectory(path) {
      needDirectory(path);
      return [...names.keys()]
        .filter(name => dirname(name) === path)
        .map(name => name.slice(path.length + 1));
    },
    async makeDirectory(path) {
      needDirectory(dirname(path));
      if (names.has(path)) throw systemError('EEXIST');
      names.set(path, { kind: 'directory' });
    },
    async sizeOf(path) {
      const found = names.get(path);
      return found?.kind === 'file' ? found.content.length : undefined;
    },
    async rename(from, to) {
      const file = find(from);
      needDirectory(dirname(to));
      if (names.get(to)?.kind === 'directory') throw systemError('EISDIR');
      names.delete(from);
      names.set(to, file);
    },
    async unlink(path) {
      find(path);
      names.delete(path);
    },
    async syncDirectory(path) {
      needDirectory(path);
      for (const name of new Set([...names.keys(), ...durableNames.keys()])) {
        if (dirname(name) === path) copyName(names, durableNames, name);
      }
    },
    freeBytes: async () => 2 ** 40,
    freeInodes: async () => undefined,
  };

  return {
    disk,
    powerCut(rng) {
      const survivors: Names = new Map(durableNames);
      for (const name of new Set([...names.keys(), ...durableNames.keys()])) {
        if (rng.below(2) === 0) copyName(names, survivors, name);
      }
      for (const node of survivors.values()) {
        if (node.kind === 'directory' || node.content === node.durable) continue;
        // Any prefix of unsynced content may have reached the disk.
        const reached = node.content.slice(0, rng.below(node.content.length + 1));
        node.content = rng.below(2) === 0 ? node.durable : reached;
        node.durable = node.content;
      }
      names = survivors;
      durableNames = new Map(survivors);
    },
    files: () =>
      new Map([...names].flatMap(([path, node]) => (node.kind === 'file' ? [[path, node.content]] : []))),
  };
};

const copyName = (from: Names, to: Names, name: string): void => {
  const node = from.get(name);
  if (node === undefined) to.delete(name);
  else to.set(name, node);
};
