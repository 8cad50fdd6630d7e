/**
 * The first seed of a commit, derived from its tree of files: equal trees give the same seed, however they were merged, and the
 * next change gives another one.
 */
import { spawnSync } from 'node:child_process';

/** Used without git, or without a commit. */
const FIXED_SEED = 1;

/** @param tree the id of the tree of files */
export const seedOfTree = (tree: string): number =>
  /^[0-9a-f]{12,}$/.test(tree) ? Number.parseInt(tree.slice(0, 8), 16) % 2 ** 31 : FIXED_SEED;

export const readTree = (directory: string): string => {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD^{tree}'], { cwd: directory, encoding: 'utf8' });
  return (stdout ?? '').trim();
};
