import { type Logger as PinoLogger, pino, stdSerializers } from 'pino';
import { errorCodeOf, messageChain } from './errors.ts';
import { escapeInvisible } from './shown-text.ts';

/** One logger per component; values first, a plain sentence second: `log.info({ sha256 }, 'artifact stored')`. */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error'> & {
  readonly child: (bindings: Record<string, unknown>) => Logger;
};

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const serializeError = (error: unknown): unknown =>
  error instanceof Error
    ? { code: errorCodeOf(error), message: messageChain(error), stack: stdSerializers.err(error).stack }
    : error;

/** Of lines that cannot be written at once; more are lost. */
const MAX_WAITING_CHARS = 2 ** 20;

/** A log that cannot be written, as on a full disk or after its terminal was closed, ends no server. */
const openDestination = (fd: number) =>
  pino.destination({ fd, sync: true, maxLength: MAX_WAITING_CHARS }).on('error', () => undefined);

/** JSON lines on standard error, or on `destination` (a file descriptor): standard output is for data. */
export const createLogger = (options: {
  name: string;
  level: LogLevel;
  destination?: number | undefined;
}): Logger =>
  pino(
    {
      name: options.name,
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: serializeError },
    },
    escaping(openDestination(options.destination ?? 2)),
  );

/** A log is read in a terminal too: JSON escapes controls, and this the other invisible characters (SX1). */
const escaping = (destination: { readonly write: (line: string) => unknown }) => ({
  write: (line: string) => void destination.write(`${escapeInvisible(line.trimEnd())}\n`),
});

/** For tests and tools without a log. */
export const silentLogger: Logger = pino({ level: 'silent' });
