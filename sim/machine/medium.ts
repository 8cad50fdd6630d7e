/**
 * The content of a disk: a tree of files as a process sees it, beside the durable tree that survives a power cut.
 *
 *     write ─▶ content ─── sync ───▶ durable content          create, rename, unlink ─▶ names ─ sync directory ─▶ durable names
 *
 * ME1. Content becomes durable only when its file is synced, names only when their directory is.
 * ME2. After a power cut any part of the unsynced changes of names is left; a rename is left whole or not at all. Unsynced
 *      content is the old content, a prefix of the new one, all of it, or zeros of its length.
 */
import type { Rng } from '../../src/core/rng.ts';

export type FileNode = { readonly kind: 'file'; content: Uint8Array; durable: Uint8Array };
export type DirectoryNode = {
  readonly kind: 'directory';
  now: Map<string, Node>;
  durable: Map<string, Node>;
};
export type Node = FileNode | DirectoryNode;

const NOTHING = new Uint8Array();

export const newFile = (): FileNode => ({ kind: 'file', content: NOTHING, durable: NOTHING });
export const newDirectory = (): DirectoryNode => ({
  kind: 'directory',
  now: new Map(),
  durable: new Map(),
});

/** A change of names that is not durable yet. */
type PendingChange = { readonly directories: readonly DirectoryNode[]; readonly makeDurable: () => void };

export type Medium = {
  readonly top: DirectoryNode;
  /** The directory of the machine's own disk on which this one is mounted. */
  readonly mountPoint: DirectoryNode;
  readonly link: (directory: DirectoryNode, name: string, node: Node) => void;
  readonly unlink: (directory: DirectoryNode, name: string) => void;
  readonly rename: (from: DirectoryNode, fromName: string, to: DirectoryNode, toName: string) => void;
  readonly syncNames: (directory: DirectoryNode) => void;
  readonly powerCut: (rng: Rng) => void;
  /** The content after a power cut that loses everything it can. */
  readonly image: () => Image;
  /** The disk with the content of an earlier image. */
  readonly restore: (image: Image) => void;
};

/** Durable files by path below the top, and directories as undefined. */
type Image = ReadonlyMap<string, Uint8Array | undefined>;

export const createMedium = (): Medium => {
  const top = newDirectory();
  const mountPoint = newDirectory();
  let pending: PendingChange[] = [];

  const change = (directories: readonly DirectoryNode[], makeDurable: () => void): void => {
    pending.push({ directories, makeDurable });
  };

  return {
    top,
    mountPoint,
    link(directory, name, node) {
      directory.now.set(name, node);
      change([directory], () => directory.durable.set(name, node));
    },
    unlink(directory, name) {
      const node = directory.now.get(name);
      directory.now.delete(name);
      change([directory], () => {
        if (directory.durable.get(name) === node) directory.durable.delete(name);
      });
    },
    rename(from, fromName, to, toName) {
      const node = from.now.get(fromName)!;
      from.now.delete(fromName);
      to.now.set(toName, node);
      change([from, to], () => {
        if (from.durable.get(fromName) === node) from.durable.delete(fromName);
        to.durable.set(toName, node);
      });
    },
    syncNames(directory) {
      const later: PendingChange[] = [];
      for (const each of pending) {
        if (each.directories.includes(directory)) each.makeDurable();
        else later.push(each);
      }
      pending = later;
    },
    powerCut(rng) {
      // A journal keeps a prefix of the changes; other file systems keep any part of them.
      const kept = rng.below(2) === 0 ? rng.below(pending.length + 1) : undefined;
      pending.forEach((each, at) => {
        if (kept === undefined ? rng.below(2) === 0 : at < kept) each.makeDurable();
      });
      pending = [];
      settle(top, rng);
      settle(mountPoint, rng);
    },
    image: () => imageOf(top),
    restore(image) {
      pending = [];
      top.now = new Map();
      top.durable = new Map();
      for (const [path, content] of image) place(top, path, content);
    },
  };
};

/** After a power cut only the durable content is left. */
const settle = (directory: DirectoryNode, rng: Rng): void => {
  directory.now = new Map(directory.durable);
  for (const node of directory.now.values()) {
    if (node.kind === 'directory') settle(node, rng);
    else if (node.content !== node.durable) {
      node.content = survivingContent(node, rng);
      node.durable = node.content;
    }
  }
};

const survivingContent = ({ content, durable }: FileNode, rng: Rng): Uint8Array => {
  switch (rng.below(4)) {
    case 0:
      return durable;
    case 1:
      return content.slice(0, rng.below(content.length + 1));
    case 2:
      return new Uint8Array(content.length);
    default:
      return content;
  }
};

const imageOf = (directory: DirectoryNode, prefix = ''): Map<string, Uint8Array | undefined> => {
  const image = new Map<string, Uint8Array | undefined>();
  for (const [name, node] of directory.durable) {
    const path = `${prefix}${name}`;
    if (node.kind === 'file') image.set(path, node.durable);
    else {
      image.set(path, undefined);
      for (const [below, content] of imageOf(node, `${path}/`)) image.set(below, content);
    }
  }
  return image;
};

const place = (top: DirectoryNode, path: string, content: Uint8Array | undefined): void => {
  const names = path.split('/');
  const name = names.pop()!;
  let directory = top;
  for (const each of names) directory = directory.now.get(each) as DirectoryNode;
  const node: Node = content === undefined ? newDirectory() : { kind: 'file', content, durable: content };
  directory.now.set(name, node);
  directory.durable.set(name, node);
};
