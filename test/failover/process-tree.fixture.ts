/**
 * A process with all its children, treated as one: killed or frozen as by a machine that loses power or hangs.
 *
 * PT1. The parent is stopped first, so that it starts no child while its children are listed.
 */
import { readdir, readFile } from 'node:fs/promises';

/** The parent first. */
const treeOf = async (root: number): Promise<number[]> => {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // The name of the program, in parentheses, may hold spaces; then come the state and the parent.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent > 0) parents.set(pid, parent);
  }
  const tree = [root];
  for (const member of tree) {
    for (const [pid, parent] of parents) if (parent === member) tree.push(pid);
  }
  return tree;
};

const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

/** SIGKILL for all of it. The caller waits for the end of the parent. */
export const killTree = async (root: number): Promise<void> => {
  send(root, 'SIGSTOP');
  for (const pid of (await treeOf(root)).reverse()) send(pid, 'SIGKILL');
};

/** No process of it runs until {@link thawTree}; the kernel goes on accepting its connections and their bytes. */
export const freezeTree = async (root: number): Promise<void> => {
  send(root, 'SIGSTOP');
  for (const pid of await treeOf(root)) send(pid, 'SIGSTOP');
};

export const thawTree = async (root: number): Promise<void> => {
  for (const pid of (await treeOf(root)).reverse()) send(pid, 'SIGCONT');
};
