/**
 * SIGHUP, which asks a server to read its files again. It never ends one.
 *
 *     SIGHUP ─▶ the configuration is read ─▶ log: unchanged, changed and good, or faulty
 *
 * HU1. The files of the identity need no signal: they are read every ten seconds. Everything else of a configuration is used from a
 *      start on, so the log says that a restart is needed, or would fail.
 */
import { readFile } from 'node:fs/promises';
import type { Logger } from './log.ts';

/** Until it is disposed, `listener` is called at each SIGHUP. */
export type OnHangUp = (listener: () => void) => Disposable;

/** For a server that no signal of its process reaches, as in a test. */
export const noHangUp: OnHangUp = () => ({ [Symbol.dispose]: () => undefined });

/** @param check reads the configuration as a start would. @throws as reading the file */
export const checkConfigAtHangUp = async (
  onHangUp: OnHangUp,
  {
    configPath,
    check,
    log,
  }: { readonly configPath: string; readonly check: () => Promise<unknown>; readonly log: Logger },
): Promise<Disposable> => {
  const used = await readFile(configPath, 'utf8');
  const compare = async (): Promise<void> => {
    await check();
    if ((await readFile(configPath, 'utf8')) === used)
      log.info({ file: configPath }, 'SIGHUP: the configuration has not changed');
    else log.warn({ file: configPath }, 'SIGHUP: the configuration has changed; restart to use it');
  };
  return onHangUp(() => {
    void compare().catch(err =>
      log.error({ err }, 'SIGHUP: with this configuration a restart would fail; that of the start is in use'),
    );
  });
};
