/** Signing keys by their files, each read once; a missing one is created if the caller allows it. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  generateSigningKey,
  readSigningKey,
  SIGNING_KEY_TYPES,
  type SigningKey,
  type SigningKeyType,
  writeSigningKey,
} from '../../signing/signing-keys.ts';
import { usageError } from '../output/failure.ts';

export type KeyFiles = {
  /** Throws `SIGNING_KEY_INVALID`. */
  readonly readAll: (paths: readonly string[]) => Promise<readonly SigningKey[]>;
  /** Creates none of them. */
  readonly readExisting: (paths: readonly string[]) => Promise<readonly SigningKey[]>;
  /** Paths of keys that did not exist before. */
  readonly made: () => readonly string[];
};

/** @param make the type of key to create for a missing file; undefined to refuse it */
export const createKeyFiles = (directory: string, make?: SigningKeyType): KeyFiles => {
  const known = new Map<string, SigningKey>();
  const made: string[] = [];
  const readOrMake = async (path: string, type: SigningKeyType | undefined): Promise<SigningKey> => {
    const file = resolve(directory, path);
    const found = known.get(file);
    if (found !== undefined) return found;
    const isThere = type === undefined || existsSync(file);
    const key = isThere ? await readSigningKey(file) : generateSigningKey(type);
    known.set(file, key);
    if (!isThere) {
      await writeSigningKey(file, key);
      made.push(path);
    }
    return key;
  };
  const readEach = async (paths: readonly string[], type: SigningKeyType | undefined) => {
    const keys: SigningKey[] = [];
    for (const path of paths) keys.push(await readOrMake(path, type));
    return keys;
  };
  return {
    readAll: paths => readEach(paths, make),
    readExisting: paths => readEach(paths, undefined),
    made: () => made,
  };
};

export const parseKeyType = (text: string): SigningKeyType => {
  const type = SIGNING_KEY_TYPES.find(each => each === text);
  if (type === undefined)
    throw usageError(`${text} is not a type of key`, `use ${SIGNING_KEY_TYPES.join(', ')}`);
  return type;
};
