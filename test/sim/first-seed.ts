/** The first seed of a commit: the same one for everybody who tries that commit, another one for the next. */
import { spawnSync } from 'node:child_process';

/** Where there is no git, or no commit. */
const FIXED_SEED = 1;

export const seedOfCommit = (commit: string): number =>
  /^[0-9a-f]{12,}$/.test(commit) ? Number.parseInt(commit.slice(0, 8), 16) % 2 ** 31 : FIXED_SEED;

export const readCommit = (directory: string): string => {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: directory, encoding: 'utf8' });
  return (stdout ?? '').trim();
};
