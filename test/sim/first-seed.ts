/**
 * The first seed of a commit, by the tree of files it has: the same one for everybody who tries them, however they were merged,
 * and another one after the next change.
 */
import { spawnSync } from 'node:child_process';

/** Where there is no git, or no commit. */
const FIXED_SEED = 1;

/** @param tree the id of the tree of files */
export const seedOfTree = (tree: string): number =>
  /^[0-9a-f]{12,}$/.test(tree) ? Number.parseInt(tree.slice(0, 8), 16) % 2 ** 31 : FIXED_SEED;

export const readTree = (directory: string): string => {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD^{tree}'], { cwd: directory, encoding: 'utf8' });
  return (stdout ?? '').trim();
};
