/** The part that an interrupted download has stored: tests wait for it before they cut or kill. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of the largest unfinished target below a directory; 0 without one. */
export const storedPartBytes = async (directory: string): Promise<number> => {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.filter(name => name.endsWith('.part')).map(name => sizeOf(join(directory, name))),
  );
  return Math.max(0, ...sizes);
};

/** 0 for a part that is gone: it is renamed when it is whole. */
const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );
