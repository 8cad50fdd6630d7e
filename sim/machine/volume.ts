/**
 * A volume: one disk of a machine at its mount point, and its faults.
 *
 * VO1. The product meets a fault of a volume as it would on a real machine: as an error of the operating system, with its
 *      code.
 */
import { createMedium, type DirectoryNode, type Medium, type Node } from './medium.ts';

/**
 * - `absent`: there is no directory of that name.
 * - `unmounted`: only the mount point is there; it can be written, and keeps its files until the next time.
 * - `failing`: every operation ends with EIO.
 */
export type VolumeState = 'ok' | 'absent' | 'unmounted' | 'read_only' | 'failing';

export type Volume = {
  readonly path: string;
  readonly medium: Medium;
  /** The names as operations see them now. */
  readonly top: () => DirectoryNode;
  state: VolumeState;
  /** Whether, since the process started, it may have written into the mount point and taken that for the disk. */
  wasUnmounted: boolean;
  /** Whether, since the process started, it may have read something there that it could not make durable. */
  wasReadOnly: boolean;
  capacityBytes: number;
  /** Rises whenever files that were opened before are closed for good. */
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

/** Throws the error of the volume's fault. */
export const requireUsable = ({ state }: Volume, path: string, isChange: boolean): void => {
  if (state === 'absent') throw systemError('ENOENT', path);
  if (state === 'failing') throw systemError('EIO', path);
  if (state === 'read_only' && isChange) throw systemError('EROFS', path);
};
