/**
 * The pages under "Recoveries" in docs/operations.md, as a test follows them.
 *
 *     ```console
 *     $ tuf-depot status                        a command of the operator, to be run as it stands
 *     verdict  degraded                         what is seen then: somewhere in the output, in this order
 *     - sled BRM42220031: … [SLED_DIVERGED]     … stands for any words of one line
 *     nexus$ systemctl stop tuf-depot-nexus     what is done on another machine
 *     ```
 *
 * PG1. Spaces count as one, however many there are: columns may be as wide as they like.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const OPERATIONS = join(import.meta.dirname, '../../docs/operations.md');

export type Step = {
  /** Where it is done; empty for the operator's own machine. */
  readonly host: string;
  readonly command: string;
  readonly shown: readonly string[];
};

/** By title, in the order of the document. */
export const readPages = async (): Promise<ReadonlyMap<string, readonly Step[]>> => {
  const text = await readFile(OPERATIONS, 'utf8');
  const recoveries = text.split('\n## Recoveries\n')[1]?.split('\n## ')[0] ?? '';
  const pages = recoveries.split('\n### ').slice(1);
  return new Map(pages.map(page => [page.split('\n', 1)[0]!, stepsOf(page)]));
};

const BLOCK = /^( *)```(\w*)\n([\s\S]*?)^\1```$/gm;
const PROMPT = /^([\w.-]*)\$ (.+)$/;

const stepsOf = (page: string): Step[] => {
  const steps: (Step & { shown: string[] })[] = [];
  for (const [, , language, block] of page.matchAll(BLOCK)) {
    if (language !== 'console') throw new Error(`a block of ${language} that nobody would follow`);
    for (const line of block!.split('\n').map(text => text.trim())) {
      const [, host, command] = PROMPT.exec(line) ?? [];
      if (command !== undefined) steps.push({ host: host!, command, shown: [] });
      else if (line !== '') steps.at(-1)!.shown.push(line);
    }
  }
  return steps;
};

/** The first shown line that the output does not have, after those before it; undefined when all are there. */
export const firstMissing = (shown: readonly string[], output: string): string | undefined => {
  const lines = output.split('\n').map(oneSpaced);
  let from = 0;
  for (const each of shown) {
    const words = each.split('…').map(oneSpaced);
    const at = lines.findIndex((line, index) => index >= from && has(line, words));
    if (at < 0) return each;
    from = at + 1;
  }
  return undefined;
};

const has = (line: string, words: readonly string[]): boolean => {
  let from = 0;
  return words.every(each => {
    const at = line.indexOf(each, from);
    from = at + each.length;
    return at >= 0;
  });
};

const oneSpaced = (text: string): string => text.replace(/\s+/g, ' ').trim();
