/**
 * Files become a tar archive (POSIX ustar) that depends on nothing but their names, modes and bytes.
 *
 * PTR1. The same files make the same bytes: sorted by name, of root, with one time for all.
 */
import { DepotError } from '../src/lib/errors.ts';

/** Below the root of a machine, without a slash in front. */
export type PackedFile = { readonly path: string; readonly mode: number; readonly bytes: Buffer };

const BLOCK_BYTES = 512;
const MAX_NAME_BYTES = 100;
const MAX_PREFIX_BYTES = 155;
const DIRECTORY_MODE = 0o755;

/** A long name is split at a slash into two fields. */
const nameFields = (path: string): readonly [name: string, prefix: string] => {
  if (Buffer.byteLength(path) <= MAX_NAME_BYTES) return [path, ''];
  const slashes = [...path.matchAll(/\//g)].map(({ index }) => index);
  const at = slashes.find(index => Buffer.byteLength(path.slice(index + 1)) <= MAX_NAME_BYTES);
  if (at === undefined || at > MAX_PREFIX_BYTES)
    throw new DepotError('IO', `the name is too long for a tar archive: ${path}`);
  return [path.slice(at + 1), path.slice(0, at)];
};

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;

type Entry = {
  readonly path: string;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly isDirectory: boolean;
};

const header = ({ path, mode, sizeBytes, isDirectory }: Entry, timeS: number): Buffer => {
  const block = Buffer.alloc(BLOCK_BYTES);
  const [name, prefix] = nameFields(path);
  const fields: readonly (readonly [offset: number, text: string])[] = [
    [0, name],
    [100, octal(mode, 7)],
    [108, octal(0, 7)],
    [116, octal(0, 7)],
    [124, octal(sizeBytes, 11)],
    [136, octal(timeS, 11)],
    // The sum counts its own field as spaces.
    [148, ' '.repeat(8)],
    [156, isDirectory ? '5' : '0'],
    [257, 'ustar\x0000'],
    [265, 'root'],
    [297, 'root'],
    [345, prefix],
  ];
  for (const [offset, text] of fields) block.write(text, offset);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)} `, 148);
  return block;
};

const foldersOf = (path: string): string[] => {
  const steps = path.split('/').slice(0, -1);
  return steps.map((_, index) => `${steps.slice(0, index + 1).join('/')}/`);
};

const padding = (sizeBytes: number): Buffer =>
  Buffer.alloc((BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);

/**
 * @param start of every name: `./` in a Debian package
 * @param timeS of every entry, in seconds since 1970
 */
export const tarOf = (
  files: readonly PackedFile[],
  { start, timeS }: { readonly start: string; readonly timeS: number },
): Buffer => {
  const folders = new Set(files.flatMap(({ path }) => foldersOf(path)));
  const entries = [
    ...[...folders].map(path => ({ path, mode: DIRECTORY_MODE, bytes: undefined })),
    ...files,
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  const parts = entries.flatMap(({ path, mode, bytes }) => {
    const sizeBytes = bytes?.length ?? 0;
    const entry = { path: `${start}${path}`, mode, sizeBytes, isDirectory: bytes === undefined };
    return bytes === undefined ? [header(entry, timeS)] : [header(entry, timeS), bytes, padding(sizeBytes)];
  });
  const root =
    start === ''
      ? []
      : [header({ path: start, mode: DIRECTORY_MODE, sizeBytes: 0, isDirectory: true }, timeS)];
  return Buffer.concat([...root, ...parts, Buffer.alloc(2 * BLOCK_BYTES)]);
};
