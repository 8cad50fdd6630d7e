/**
 * The roots that a signer keeps: one root.json, or a folder with every `N.root.json` from the first to the newest.
 *
 * CR1. A root is durable in its file before anything is signed under it: two roots of one version would split clients
 *      for ever, as some may have seen one and some the other.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileDurably } from '../../lib/durable-file.ts';
import { DepotError } from '../../lib/errors.ts';
import { makeDirectories } from '../../lib/real-disk.ts';
import { createRoot, type RepositoryKeys, rotateRoot } from '../../signing/sign-metadata.ts';
import { signersOf } from '../../signing/signers.ts';
import type { SigningKey } from '../../signing/signing-keys.ts';
import { parseMetadata } from '../../tuf/metadata.ts';
import { rootVersions } from '../../tuf/repository.ts';
import { byRole } from '../arguments/role-options.ts';
import { usageError } from '../output/failure.ts';

export type RootChain = {
  /** Oldest first. */
  readonly roots: readonly Uint8Array[];
  /** The file that was written, if the chain became longer. */
  readonly written: string | undefined;
};

export type NewRoot = {
  readonly keys: RepositoryKeys;
  readonly expiresMs: number;
  readonly consistentSnapshot: boolean;
};

/** The roots of a chain that is kept already. */
export type KeptRoots = {
  /** Oldest first. */
  readonly all: readonly Uint8Array[];
  readonly newest: Uint8Array;
};

/** A path that ends in `.json` is one root's; any other is a folder. */
const isFolder = async (path: string): Promise<boolean> =>
  existsSync(path) ? (await stat(path)).isDirectory() : !path.endsWith('.json');

/** Undefined where nothing is kept yet. @throws `ROOT_CHAIN_BROKEN` for a folder with a gap */
export const readRootChain = async (path: string): Promise<KeptRoots | undefined> => {
  if (!existsSync(path)) return undefined;
  if (!(await isFolder(path))) return keptRoots([checkedRoot(await readFile(path), path)]);
  const names = await readdir(path);
  const versions = rootVersions({ read: async () => undefined, list: () => names });
  const gap = versions.find((version, index) => index > 0 && versions[index - 1] !== version - 1);
  if (gap !== undefined)
    throw new DepotError('ROOT_CHAIN_BROKEN', `${path} has ${gap}.root.json, but not the root before it`);
  const files = versions.map(version => join(path, `${version}.root.json`));
  return keptRoots(await Promise.all(files.map(async file => checkedRoot(await readFile(file), file))));
};

/** @throws `METADATA_INVALID` naming the file */
const checkedRoot = (bytes: Uint8Array, path: string): Uint8Array => {
  try {
    parseMetadata('root', bytes);
  } catch (cause) {
    throw new DepotError('METADATA_INVALID', `${path} is no root`, { cause });
  }
  return bytes;
};

const keptRoots = (all: readonly Uint8Array[]): KeptRoots | undefined => {
  const newest = all.at(-1);
  return newest === undefined ? undefined : { all, newest };
};

/** Makes the first root of a chain. */
export const startRootChain = async (path: string, root: NewRoot): Promise<RootChain> => {
  const bytes = createRoot({ ...root, version: 1 });
  return { roots: [bytes], written: await writeRoot(path, bytes, 1) };
};

/**
 * Makes the root that follows the newest, signed by keys of both.
 *
 * @param ring keys at hand, of which enough have to be the newest root's
 * @throws `SIGNING_KEY_INVALID` if they are not
 */
export const extendRootChain = async (
  path: string,
  { all, newest }: KeptRoots,
  root: NewRoot,
  ring: readonly SigningKey[],
): Promise<RootChain> => {
  if (!(await isFolder(path)))
    throw usageError(
      `${path} is one root, and clients need every root of a chain`,
      'keep the roots in a folder (--root FOLDER), the first one in it as 1.root.json',
    );
  const previous = parseMetadata('root', newest).signed;
  const signers = signersOf('root', previous.roles.root, previous.keys, ring);
  const bytes = rotateRoot({ bytes: newest, keys: signers }, root);
  return { roots: [...all, bytes], written: await writeRoot(path, bytes, previous.version + 1) };
};

const writeRoot = async (path: string, bytes: Uint8Array, version: number): Promise<string> => {
  if (!(await isFolder(path))) {
    await writeFileDurably(path, bytes);
    return path;
  }
  await makeDirectories(path);
  const file = join(path, `${version}.root.json`);
  await writeFileDurably(file, bytes);
  return file;
};

/** Who signs what, as the newest root has it. @throws `SIGNING_KEY_INVALID` if too few of the keys are at hand */
export const keysOfRoot = (root: Uint8Array, ring: readonly SigningKey[]): RepositoryKeys => {
  const { roles, keys } = parseMetadata('root', root).signed;
  return byRole(role => ({
    // The root is signed already.
    keys: role === 'root' ? [] : signersOf(role, roles[role], keys, ring),
    threshold: roles[role].threshold,
  }));
};
