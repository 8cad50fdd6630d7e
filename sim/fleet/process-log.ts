/** The log of a simulated process: it goes into the trace, and an error that is a bug of the program is reported. */
import { errorCodeOf, messageChain } from '../../src/lib/errors.ts';
import type { Logger } from '../../src/lib/log.ts';
import type { Trace } from '../trace.ts';

/** Faults of the program itself, which no simulated fault can cause. */
const isBug = (error: unknown): boolean =>
  error instanceof TypeError ||
  error instanceof RangeError ||
  error instanceof ReferenceError ||
  (error instanceof Error && error.name === 'AssertionError');

export type LogWatch = {
  readonly trace: Trace;
  readonly onBug: (actor: string, message: string) => void;
  /** Every line, for events that only the log shows. */
  readonly onLine: (actor: string, words: string, fields: Record<string, unknown>) => void;
};

export const createProcessLog = (actor: string, watch: LogWatch): Logger => {
  const write =
    (level: string) =>
    (fields: unknown, words?: string): void => {
      const known = typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {};
      const text = words ?? String(fields);
      if (isBug(known.err)) watch.onBug(actor, `${text}: ${(known.err as Error).stack}`);
      watch.onLine(actor, text, known);
      if (watch.trace.isOn && level !== 'debug')
        watch.trace.say(actor, `${level === 'info' ? '' : `${level}: `}${text}${fieldText(known)}`);
    };
  const log: Logger = {
    debug: write('debug') as Logger['debug'],
    info: write('info') as Logger['info'],
    warn: write('warn') as Logger['warn'],
    error: write('error') as Logger['error'],
    child: () => log,
  };
  return log;
};

/** Ids and hashes are cut, for people. */
const fieldText = (fields: Record<string, unknown>): string => {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      if (name === 'err') return `err=[${errorCodeOf(value)}] ${messageChain(value)}`;
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      return `${name}=${/^[0-9a-f]{32,}$/.test(text) ? text.slice(0, 8) : text}`;
    });
  return parts.length === 0 ? '' : `  ${parts.join(' ')}`;
};
