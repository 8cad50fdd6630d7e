/**
 * The account of PostgreSQL, which refuses to run as root.
 *
 *     not root ─▶ this account
 *     root     ─▶ in a user namespace, where root appears as another user: files stay root's
 *              ─▶ without user namespaces, an unprivileged account of this machine
 */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { DepotError } from '../../lib/errors.ts';

export type Account =
  | { readonly kind: 'self' }
  | { readonly kind: 'namespace'; readonly uid: number; readonly gid: number }
  | { readonly kind: 'unprivileged'; readonly uid: number; readonly gid: number };

/** Seen as this user in the namespace, if the machine has it: PostgreSQL looks its own user up by name. */
const PREFERRED_UID = 1000;

/** Never 0: the preferences of the unprivileged fallback, in order. */
const UNPRIVILEGED_NAMES = ['postgres', 'nobody', 'daemon'];

type PasswdEntry = { readonly name: string; readonly uid: number; readonly gid: number };

const passwdEntries = async (): Promise<PasswdEntry[]> =>
  (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .map(line => line.split(':'))
    .map(fields => ({ name: fields[0] ?? '', uid: Number(fields[2]), gid: Number(fields[3]) }))
    .filter(entry => entry.uid > 0 && entry.gid > 0);

/** @throws `EMBEDDED_POSTGRES` as root on a machine without any other account */
export const chooseAccount = async (): Promise<Account> => {
  if (process.getuid?.() !== 0) return { kind: 'self' };
  const entries = await passwdEntries();
  const seenAs = entries.find(entry => entry.uid === PREFERRED_UID) ?? entries[0];
  if (seenAs !== undefined && namespaceAllowed(seenAs)) return { kind: 'namespace', ...ids(seenAs) };
  return unprivilegedAccount(entries);
};

/** The fallback, whether or not a namespace would work. */
const unprivilegedAccount = (entries: readonly PasswdEntry[]): Account => {
  const byName = UNPRIVILEGED_NAMES.map(name => entries.find(entry => entry.name === name));
  const entry = byName.find(found => found !== undefined) ?? entries[0];
  if (entry !== undefined) return { kind: 'unprivileged', ...ids(entry) };
  throw new DepotError(
    'EMBEDDED_POSTGRES',
    'PostgreSQL refuses to run as root, and /etc/passwd has no other account: start as another user, or add one',
  );
};

export const readUnprivilegedAccount = async (): Promise<Account> =>
  unprivilegedAccount(await passwdEntries());

const ids = ({ uid, gid }: PasswdEntry) => ({ uid, gid });

const namespaceAllowed = (entry: PasswdEntry): boolean =>
  spawnSync('unshare', [...namespaceArguments(entry), 'true'], { stdio: 'ignore' }).status === 0;

const namespaceArguments = ({ uid, gid }: { uid: number; gid: number }): string[] => [
  '--user',
  `--map-user=${uid}`,
  `--map-group=${gid}`,
  '--',
];

export type Command = {
  readonly file: string;
  readonly args: readonly string[];
  /** For spawn's options. */
  readonly identity: { readonly uid?: number; readonly gid?: number };
};

/** How to start a program under an account. unshare(1) becomes the program: the process id is the program's. */
export const commandAs = (account: Account, file: string, args: readonly string[]): Command => {
  switch (account.kind) {
    case 'self':
      return { file, args, identity: {} };
    case 'namespace':
      return { file: 'unshare', args: [...namespaceArguments(account), file, ...args], identity: {} };
    case 'unprivileged':
      return { file, args, identity: { uid: account.uid, gid: account.gid } };
    default:
      return account satisfies never;
  }
};
