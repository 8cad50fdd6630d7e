/** How this program is called, for the processes that it starts. */
import { fileURLToPath } from 'node:url';

/**
 * The smallest nursery, in MiB: buffers of bodies under way are collected while there are few of them. It halves the
 * growth of a server that receives gigabytes, over TLS in records of 16 KiB; the launchers and main.ts have the same.
 */
export const NODE_FLAGS = ['--max-semi-space-size=1'] as const;

export const programCommand = (): [command: string, ...args: string[]] => [
  process.execPath,
  ...NODE_FLAGS,
  fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url)),
];
