/**
 * A volume: one disk of a machine at its mount point, and what can be wrong with it.
 *
 * VO1. What is wrong with a volume is told by the errors of an operating system, with its codes, as the product
 *      meets them on a real machine.
 */
import { createMedium, type DirectoryNode, type Medium, type Node } from './medium.ts';

/**
 * - `absent`: there is no directory of that name.
 * - `unmounted`: the mount point is there, with what was written into it when it was bare before, and can be written.
 * - `failing`: every operation ends with EIO.
 */
export type VolumeState = 'ok' | 'absent' | 'unmounted' | 'read_only' | 'failing';

export type Volume = {
  readonly path: string;
  readonly medium: Medium;
  /** The names as operations see them now. */
  readonly top: () => DirectoryNode;
  state: VolumeState;
  /** Since the process started: whether something may have been written into its mount point, and believed to be on it. */
  wasUnmounted: boolean;
  /** … and whether something may have been read on it that could not be made durable. */
  wasReadOnly: boolean;
  capacityBytes: number;
  /** Rises whenever what was opened before is not there any more. */
  session: number;
};

export const ROOMY_BYTES = 2 ** 40;

export const createVolume = (path: string): Volume => {
  const medium = createMedium();
  const volume: Volume = {
    path,
    medium,
    state: 'ok',
    wasUnmounted: false,
    wasReadOnly: false,
    capacityBytes: ROOMY_BYTES,
    session: 0,
    top: () => (volume.state === 'unmounted' ? medium.mountPoint : medium.top),
  };
  return volume;
};

export const usedBytes = (node: Node): number => {
  if (node.kind === 'file') return node.content.length;
  let sum = 0;
  for (const each of node.now.values()) sum += usedBytes(each);
  return sum;
};

export const systemError = (code: string, path: string): Error =>
  Object.assign(new Error(`${code}: ${path}`), { code });

/** Throws what an operation on the volume meets. */
export const requireUsable = ({ state }: Volume, path: string, isChange: boolean): void => {
  if (state === 'absent') throw systemError('ENOENT', path);
  if (state === 'failing') throw systemError('EIO', path);
  if (state === 'read_only' && isChange) throw systemError('EROFS', path);
};
