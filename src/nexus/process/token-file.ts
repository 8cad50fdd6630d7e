/** The break-glass token of a Nexus, with the role admin: made at the first start, readable by its owner alone. */
import { link, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isFull } from '../../lib/disk-errors.ts';
import { temporaryPathFor, writeFileDurably } from '../../lib/durable-file.ts';
import { DepotError, systemErrorCode } from '../../lib/errors.ts';
import { makeOperatorToken } from '../../lib/operator-token.ts';
import { namedFilesDisk, namingFull } from '../../lib/real-disk.ts';

/**
 * Several Nexus instances may share one file and start at once: one of them creates it, all use it.
 *
 * @throws `CONFIG_INVALID` for an unusable file
 */
export const readOrMakeToken = async (path: string): Promise<string> =>
  (await readToken(path)) ?? (await makeToken(path));

const readToken = async (path: string): Promise<string | undefined> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return undefined;
    throw new DepotError('CONFIG_INVALID', `cannot read the token file ${path}`, { cause });
  }
  const token = text.trim();
  if (token !== '' && !/\s/.test(token)) return token;
  throw new DepotError(
    'CONFIG_INVALID',
    `the token file ${path} must contain one word; remove it, and the next start creates one`,
  );
};

/** A link, unlike a rename, does not replace a file that another process created meanwhile. */
const makeToken = async (path: string): Promise<string> => {
  const made = makeOperatorToken();
  const draft = temporaryPathFor(path);
  try {
    await writeFileDurably(draft, `${made}\n`, { mode: 0o600 });
    await namingFull(dirname(path), () => link(draft, path));
    await namedFilesDisk.syncDirectory(dirname(path));
    return made;
  } catch (cause) {
    const theirs = systemErrorCode(cause) === 'EEXIST' ? await readToken(path) : undefined;
    if (theirs !== undefined) return theirs;
    if (isFull(cause)) throw cause;
    throw new DepotError('CONFIG_INVALID', `cannot create the token file ${path}`, { cause });
  } finally {
    await unlink(draft).catch(() => undefined);
  }
};
