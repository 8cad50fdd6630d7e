/**
 * Where the admin key of a person lies:
 *
 *     --admin-key ─▶ TUF_DEPOT_ADMIN_KEY ─▶ the directory of the started fleet ─▶ beside the logins: admin-key-FLEET.pem, admin-key.pem
 *
 * AKF1. A key that is named is the one that signs, or the command fails. Of those that are found, one that Nexus does not name is
 *       passed over: it may be of another fleet.
 */
import { access } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type AdminKey, adminKeyPaths, readAdminKey } from '../../identity/admin-key.ts';
import { DepotError } from '../../lib/errors.ts';
import { DEFAULT_DATA_DIRECTORY, readRunningFleet } from '../../local-fleet/fleet-record.ts';
import type { Session } from '../session/session.ts';
import type { RemoteOptions } from './connection.ts';
import { loginsFile } from './logins.ts';

export type AdminKeyOptions = RemoteOptions & { readonly adminKey?: string };

export const ADMIN_KEY_OPTION = [
  '--admin-key <file>',
  'private key of an admin, in PEM, which signs the statement (TUF_DEPOT_ADMIN_KEY; otherwise admin-key.pem of a started fleet or beside the logins)',
] as const;

type Context = Pick<Session, 'environment' | 'directory'>;

/**
 * Undefined if there is none.
 *
 * @param known the SHA-256 of the keys that Nexus verifies by; none if it does not
 * @throws `CONFIG_INVALID` for a key that is named and cannot sign here
 */
export const findAdminKey = async (
  options: AdminKeyOptions,
  context: Context,
  { fleet, known }: { readonly fleet: string; readonly known: readonly string[] },
): Promise<AdminKey | undefined> => {
  const named = options.adminKey ?? (context.environment.TUF_DEPOT_ADMIN_KEY || undefined);
  if (named !== undefined) return await readNamed(resolve(context.directory, named), known);
  for (const file of await usualFiles(options, context, fleet)) {
    if (!(await isThere(file))) continue;
    const key = await readAdminKey(file);
    if (known.length === 0 || known.includes(key.digest)) return key;
  }
  return undefined;
};

const readNamed = async (file: string, known: readonly string[]): Promise<AdminKey> => {
  const key = await readAdminKey(file);
  if (known.length === 0 || known.includes(key.digest)) return key;
  throw new DepotError(
    'CONFIG_INVALID',
    `admin key: ${file} has the SHA-256 ${key.digest}, and this fleet believes ${known.join(', ')}`,
    { detail: { remedy: 'name the admin key of this fleet: --admin-key FILE' } },
  );
};

const usualFiles = async (
  { data }: RemoteOptions,
  { environment, directory }: Context,
  fleet: string,
): Promise<readonly string[]> => {
  const started = await readRunningFleet(resolve(directory, data ?? DEFAULT_DATA_DIRECTORY));
  const logins = loginsFile(environment);
  return [
    ...(started?.authoritiesFile === undefined
      ? []
      : [adminKeyPaths(dirname(started.authoritiesFile)).keyFile]),
    ...(logins === undefined
      ? []
      : [join(dirname(logins), `admin-key-${fleet}.pem`), adminKeyPaths(dirname(logins)).keyFile]),
  ];
};

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );
