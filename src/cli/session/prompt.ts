/**
 * What a person types at the terminal, one line.
 *
 * PMT1. A secret is not shown: the terminal echoes nothing while it is typed. Afterwards it is as it was, also after Ctrl-C.
 */
import { addAbortSignal } from 'node:stream';
import { usageError } from '../output/failure.ts';
import { Interruption } from './exit-code.ts';
import type { Session } from './session.ts';

/** Longer than any token. */
const MAX_INPUT_CHARS = 4096;

export const PASTE_TOKEN = 'Paste the token of the invitation, and press Enter; it is not shown:';

/** Whether somebody sees a question on standard error, and types the answer. */
export const isInteractive = ({ stdin, terminal }: Pick<Session, 'stdin' | 'terminal'>): boolean =>
  terminal.live && stdin.isTTY === true;

type Input = Pick<Session, 'stdin' | 'signal'>;

export const askLine = async (
  { terminal, ...input }: Input & Pick<Session, 'terminal'>,
  question: string,
): Promise<string> => {
  terminal.note(question);
  return await typedLine(input);
};

/** The line is not echoed where standard input is a terminal; otherwise it is all of standard input. */
export const readSecret = async (
  { terminal, ...input }: Input & Pick<Session, 'terminal'>,
  question: string,
): Promise<string> => {
  const { stdin } = input;
  if (stdin.isTTY !== true || stdin.setRawMode === undefined) return await wholeInput(input);
  terminal.note(question);
  stdin.setRawMode(true);
  try {
    return await typedLine(input);
  } finally {
    stdin.setRawMode(false);
  }
};

const wholeInput = async ({ stdin, signal }: Input): Promise<string> => {
  let text = '';
  for await (const chunk of addAbortSignal(signal, stdin)) {
    text += String(chunk);
    if (text.length > MAX_INPUT_CHARS) throw tooLong();
  }
  return text.trim();
};

// What a terminal in raw mode does not handle itself: Ctrl-C and Ctrl-D, the keys that delete a character, and Ctrl-U.
const INTERRUPT = '\u0003';
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are keys
const LAST_KEYS = /[\r\n\u0003\u0004]/;
const DELETE = new Set(['\u007f', '\b']);
const CLEAR = '\u0015';

const edited = (line: string, typed: string): string => {
  let text = line;
  for (const key of typed) {
    if (key === CLEAR) text = '';
    else if (DELETE.has(key)) text = text.slice(0, -1);
    else text += key;
  }
  return text;
};

/** Bytes after the line stay for the next reader. */
const typedLine = ({ stdin, signal }: Input): Promise<string> =>
  new Promise((resolve, reject) => {
    let line = '';
    const settle = (outcome: () => void): void => {
      stdin.off('data', take).off('end', finish).off('error', reject).pause();
      signal.removeEventListener('abort', stop);
      outcome();
    };
    const finish = (): void => settle(() => resolve(line.trim()));
    const stop = (): void => settle(() => reject(signal.reason));
    const take = (chunk: unknown): void => {
      const typed = String(chunk);
      const ends = typed.search(LAST_KEYS);
      line = edited(line, ends < 0 ? typed : typed.slice(0, ends));
      if (line.length > MAX_INPUT_CHARS) settle(() => reject(tooLong()));
      else if (typed[ends] === INTERRUPT) settle(() => reject(new Interruption('SIGINT')));
      else if (ends >= 0) {
        finish();
        if (ends + 1 < typed.length) stdin.unshift(typed.slice(ends + 1));
      }
    };
    if (signal.aborted) return stop();
    if (stdin.readableEnded) return finish();
    signal.addEventListener('abort', stop, { once: true });
    stdin.on('data', take).on('end', finish).on('error', reject).resume();
  });

const tooLong = () => usageError(`standard input has more than ${MAX_INPUT_CHARS} characters`);
