/**
 * Output that cannot be written: a full disk, a closed pipe.
 *
 * WOP1. A reader that has closed the pipe, such as head(1), or a terminal that is gone, is no failure: nobody is left to write
 *      to, and the command still has to end cleanly.
 * WOP2. Anything else that standard output does not take is lost, which is one line of error and a failure of the command; what it
 *      changed stays changed. Progress and advice may be lost.
 */
import { messageChain } from '../../lib/errors.ts';

type Watched = {
  readonly on: (event: 'error', listener: (error: Error) => void) => unknown;
  readonly write: (text: string) => unknown;
};

/** @param onLost also after the command has ended, as errors come later than writes */
export const watchOutput = (
  out: Watched,
  err: Watched,
  onLost: () => void,
): { readonly isLost: () => boolean } => {
  let lost = false;
  out.on('error', error => {
    if (lost || isGone(error)) return;
    lost = true;
    err.write(`error: cannot write standard output: ${messageChain(error)} [${codeFor(error)}]\n`);
    onLost();
  });
  err.on('error', () => undefined);
  return { isLost: () => lost };
};

const codeOf = (error: Error): string => ('code' in error ? String(error.code) : '');

const isGone = (error: Error): boolean => ['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'].includes(codeOf(error));

const codeFor = (error: Error): string =>
  ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error)) ? 'NO_SPACE' : 'IO';
