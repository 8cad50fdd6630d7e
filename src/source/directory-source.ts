/** A repository in a directory: `<directory>/metadata/…` and `<directory>/targets/…`, or the same below `repo/`. */
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DepotError, systemErrorCode } from '../lib/errors.ts';
import { underEitherName } from '../tuf/role-names.ts';
import type { RepositorySource } from './source.ts';

/** @throws `METADATA_MISSING` where the directory holds no repository, `IO` */
export const createDirectorySource = async (directory: string): Promise<RepositorySource> => {
  const [base, names] = await findMetadata(directory);
  return {
    kind: 'directory',
    name: directory,
    metadata: {
      addressOf: fileName => join(base, 'metadata', fileName),
      read: underEitherName(async (fileName: string, maxBytes: number) => {
        const path = join(base, 'metadata', ...fileName.split('/').map(plainName));
        const sizeBytes = await sizeOf(path);
        if (sizeBytes === undefined) return undefined;
        if (sizeBytes > maxBytes) throw tooLarge(path, sizeBytes, maxBytes);
        return await readFile(path);
      }),
      list: () => names,
    },
    async openTarget(fileName, { maxBytes, signal }) {
      const path = join(base, 'targets', ...fileName.split('/').map(plainName));
      const sizeBytes = await sizeOf(path);
      if (sizeBytes === undefined) return undefined;
      if (sizeBytes > maxBytes) throw tooLarge(path, sizeBytes, maxBytes);
      return { chunks: createReadStream(path, { signal }), async [Symbol.asyncDispose]() {} };
    },
    async [Symbol.asyncDispose]() {},
  };
};

const findMetadata = async (directory: string): Promise<readonly [string, readonly string[]]> => {
  for (const base of [directory, join(directory, 'repo')]) {
    try {
      return [base, await readdir(join(base, 'metadata'))];
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw cannotRead(base, error);
    }
  }
  throw new DepotError('METADATA_MISSING', `${directory} holds no TUF repository: it has no metadata/ in it`);
};

/** No name leaves its folder. */
const plainName = (name: string): string => {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name)) return name;
  throw new DepotError('INVALID_REQUEST', `"${name}" does not name a file of a repository`);
};

const sizeOf = async (path: string): Promise<number | undefined> => {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw cannotRead(path, error);
  }
};

const cannotRead = (path: string, cause: unknown): DepotError =>
  new DepotError('IO', `cannot read ${path}`, { cause });

const tooLarge = (path: string, sizeBytes: number, maxBytes: number): DepotError =>
  new DepotError(
    'SOURCE_TOO_LARGE',
    `${path} has ${sizeBytes} bytes, more than the ${maxBytes} that are allowed or signed`,
  );
