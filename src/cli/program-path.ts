/** How this program is called, for the processes that it starts. */
import { fileURLToPath } from 'node:url';

export const programCommand = (): [command: string, script: string] => [
  process.execPath,
  fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url)),
];
