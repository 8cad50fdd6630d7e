/**
 * The logins of a person: in one file, the newest last, and that one is the default.
 *
 *     XDG_CONFIG_HOME/tuf-depot, otherwise ~/.config/tuf-depot (0700) ─▶ logins.json (0600)
 *
 * LG1. Nobody else of the machine can read the file, and it is whole: each change writes it anew, durably.
 * LG2. A fleet has one login: a later one takes its place.
 * LG3. Changes at once take turns, so that none is lost.
 */
import { chmod, readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { OperatorSelf } from '../../api/operator-access-api.ts';
import { unlinkDurably, writeFileDurably } from '../../lib/durable-file.ts';
import { DepotError, errorCodeOf, systemErrorCode } from '../../lib/errors.ts';
import { acquireExclusiveLock, type ExclusiveLock } from '../../lib/exclusive-lock.ts';
import { makeDirectories } from '../../lib/real-disk.ts';
import type { Session } from '../session/session.ts';

const Login = z.object({
  /** The fleet; of a Nexus without TLS, which proves none, its address. */
  name: z.string().min(1),
  url: z.url(),
  /** Absent without TLS. */
  ca_pem: z.string().optional(),
  token: z.string().min(1),
  ...OperatorSelf.shape,
});
export type Login = z.infer<typeof Login>;

const LoginsFile = z.object({ version: z.literal(1), logins: z.array(Login) });

type Environment = Session['environment'];

/** Undefined where the environment names no home. */
export const loginsFile = ({ XDG_CONFIG_HOME, HOME }: Environment): string | undefined => {
  // A relative path is to be ignored (XDG Base Directory Specification).
  if (XDG_CONFIG_HOME !== undefined && isAbsolute(XDG_CONFIG_HOME))
    return join(XDG_CONFIG_HOME, 'tuf-depot', 'logins.json');
  if (HOME !== undefined && isAbsolute(HOME)) return join(HOME, '.config', 'tuf-depot', 'logins.json');
  return undefined;
};

/** @throws `CONFIG_INVALID` for a damaged file, `IO` for one that cannot be read */
export const readLogins = async (environment: Environment): Promise<readonly Login[]> => {
  const file = loginsFile(environment);
  if (file === undefined) return [];
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    if (ABSENT.has(systemErrorCode(cause))) return undefined;
    throw new DepotError('IO', `cannot read the logins in ${file}`, {
      cause,
      detail: { remedy: 'make it readable for you, or name the Nexus with --url and a token' },
    });
  });
  if (text === undefined) return [];
  const parsed = LoginsFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data.logins;
  throw new DepotError('CONFIG_INVALID', `${file} is damaged: it is no file of logins`, {
    detail: { remedy: `remove it, and log in again: rm ${file}, then tuf-depot login ADDRESS` },
  });
};

const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);

/** @returns the file. @throws `CONFIG_INVALID` without a home, `IO` for one that cannot be written */
export const saveLogin = async (login: Login, environment: Environment): Promise<string> => {
  await using _turn = await takeTurn(environment);
  const others = (await readLogins(environment)).filter(({ name }) => name !== login.name);
  return await writeLogins([...others, login], environment);
};

/** @returns the removed login. @throws `NOT_FOUND` */
export const removeLogin = async (name: string | undefined, environment: Environment): Promise<Login> => {
  requireLogin(await readLogins(environment), name);
  await using _turn = await takeTurn(environment);
  const logins = await readLogins(environment);
  const login = requireLogin(logins, name);
  await writeLogins(
    logins.filter(each => each !== login),
    environment,
  );
  return login;
};

/** @param name the default without one. @throws `NOT_FOUND` */
export const requireLogin = (logins: readonly Login[], name: string | undefined): Login => {
  const login = name === undefined ? logins.at(-1) : logins.find(each => each.name === name);
  if (login !== undefined) return login;
  throw new DepotError(
    'NOT_FOUND',
    name === undefined ? 'there is no login' : `there is no login to the fleet ${name}`,
    { detail: { remedy: 'tuf-depot login --list shows them; tuf-depot login ADDRESS makes one' } },
  );
};

/** @throws `CONFIG_INVALID` where the environment names no home */
export const requireLoginsFile = (environment: Environment): string => {
  const file = loginsFile(environment);
  if (file !== undefined) return file;
  throw new DepotError('CONFIG_INVALID', 'a login has no place: neither XDG_CONFIG_HOME nor HOME is a path', {
    detail: { remedy: 'set HOME' },
  });
};

const LOCK_WAIT_MS = 5_000;
const LOCK_RETRY_MS = 20;

/** LG3. @throws `IN_USE_BY_PROCESS` if another command does not end its change */
const takeTurn = async (environment: Environment): Promise<ExclusiveLock> => {
  const file = requireLoginsFile(environment);
  const directory = dirname(file);
  await orUnwritable(file, async () => {
    await makeDirectories(directory, { mode: 0o700 });
    await chmod(directory, 0o700);
  });
  for (let waitedMs = 0; ; waitedMs += LOCK_RETRY_MS) {
    try {
      return await orUnwritable(file, () => acquireExclusiveLock(directory));
    } catch (error) {
      if (errorCodeOf(error) !== 'IN_USE_BY_PROCESS' || waitedMs >= LOCK_WAIT_MS) throw error;
      await delay(LOCK_RETRY_MS);
    }
  }
};

const writeLogins = async (logins: readonly Login[], environment: Environment): Promise<string> => {
  const file = requireLoginsFile(environment);
  const content = { version: 1, logins: [...logins] } satisfies z.input<typeof LoginsFile>;
  await orUnwritable(file, () =>
    logins.length === 0
      ? unlinkDurably(file)
      : writeFileDurably(file, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 }),
  );
  return file;
};

const orUnwritable = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof DepotError) throw cause;
    throw new DepotError('IO', `cannot write the logins to ${file}`, {
      cause,
      detail: { remedy: 'make its directory writable for you, or set XDG_CONFIG_HOME to one that is' },
    });
  }
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
