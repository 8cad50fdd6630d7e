/**
 * The pages of docs/operations.md, as a test follows them.
 *
 *     ```console
 *     $ tuf-depot status                        a command of the operator, to be run as it stands
 *     verdict  degraded                         what is seen then: somewhere in the output, in this order
 *     - sled BRM42220031: … [SLED_DIVERGED]     … stands for any words of one line
 *     nexus$ systemctl stop tuf-depot-nexus     what is done on another machine
 *     ```
 *
 * PG1. Spaces count as one, however many there are: columns may be as wide as they like.
 * PG2. "Follow steps 3 to 10 of [another page]" stands for what these steps do.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const OPERATIONS = join(import.meta.dirname, '../../docs/operations.md');

export type Step = {
  /** Where it is done; empty for the operator's own machine. */
  readonly host: string;
  readonly command: string;
  readonly shown: readonly string[];
  /** The number of the item of the page that it stands in; 0 before the first one. */
  readonly item: number;
};

type Page = { readonly section: string; readonly title: string; readonly text: string };

const readPages = async (): Promise<readonly Page[]> => {
  const sections = (await readFile(OPERATIONS, 'utf8')).split('\n## ').slice(1);
  return sections.flatMap(section => {
    const [head, ...pages] = section.split('\n### ');
    return pages.map(text => ({ section: titleOf(head!), title: titleOf(text), text }));
  });
};

const titleOf = (text: string): string => text.split('\n', 1)[0]!;

/** Of any section, by its title. */
export const readPage = async (title: string): Promise<readonly Step[]> => stepsOf(await readPages(), title);

/** Those of the section "Recoveries", by title, in the order of the document. */
export const readRecoveries = async (): Promise<ReadonlyMap<string, readonly Step[]>> => {
  const pages = await readPages();
  const recoveries = pages.filter(({ section }) => section === 'Recoveries');
  return new Map(recoveries.map(({ title }) => [title, stepsOf(pages, title)]));
};

/** A numbered item begins, or there is a block, or a reference (PG2). */
const PART =
  /^(\d+)\. |^( *)```(\w*)\n([\s\S]*?)^\2```$|\bfollow\s+steps\s+(\d+)\s+to\s+(\d+)\s+of\s+\[([^\]]+)\]/gim;
const PROMPT = /^([\w.-]*)\$ (.+)$/;

const stepsOf = (pages: readonly Page[], title: string): readonly Step[] => {
  const page = pages.find(each => each.title === title);
  if (page === undefined) throw new Error(`docs/operations.md has no page "${title}"`);
  const steps: Step[] = [];
  let item = 0;
  for (const [, begun, , language, block, first, last, other] of page.text.matchAll(PART)) {
    if (begun !== undefined) item = Number(begun);
    else if (other !== undefined) steps.push(...stepsBetween(stepsOf(pages, other), first!, last!, item));
    else if (language === 'console') steps.push(...stepsIn(block!, item));
    else throw new Error(`a block of ${language} that nobody would follow`);
  }
  return steps;
};

const stepsBetween = (steps: readonly Step[], first: string, last: string, item: number): readonly Step[] => {
  const found = steps.filter(step => step.item >= Number(first) && step.item <= Number(last));
  if (!found.some(step => step.item === Number(last))) throw new Error(`there is no step ${last}`);
  return found.map(step => ({ ...step, item }));
};

const stepsIn = (block: string, item: number): readonly Step[] => {
  const steps: (Step & { shown: string[] })[] = [];
  for (const line of block.split('\n').map(text => text.trim())) {
    const [, host, command] = PROMPT.exec(line) ?? [];
    if (command !== undefined) steps.push({ host: host!, command, shown: [], item });
    else if (line !== '') steps.at(-1)!.shown.push(line);
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
