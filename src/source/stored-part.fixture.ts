/** What an interrupted download has left: tests wait for it before they cut or kill. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of the largest unfinished target below a directory; 0 where there is none. */
export const storedPartBytes = async (directory: string): Promise<number> => {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.filter(name => name.endsWith('.part')).map(name => sizeOf(join(directory, name))),
  );
  return Math.max(0, ...sizes);
};

/** A part gets its name when it is whole. */
const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );
