/** How this program is called, for the processes that it starts. */
import { fileURLToPath } from 'node:url';

/**
 * A small nursery, in MiB: buffers of bodies under way are collected while there are few of them. It halves the
 * growth of a server that receives gigabytes; the launcher script at the root has the same.
 */
export const NODE_FLAGS = ['--max-semi-space-size=2'] as const;

export const programCommand = (): [command: string, ...args: string[]] => [
  process.execPath,
  ...NODE_FLAGS,
  fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url)),
];
