/** What to do about a refusal of what a login gave. */
import { DepotError, findDepotError } from '../../lib/errors.ts';
import type { Connection } from './connection.ts';

/** @returns the error to report */
export const withLoginRemedy = (error: unknown, { login }: Pick<Connection, 'login'>): unknown => {
  const found = findDepotError(error);
  const remedy = found && login && remedyOf(found, login);
  if (found === undefined || remedy === undefined) return error;
  const { code, message, cause, detail, report } = found;
  return new DepotError(code, message, { cause, report, detail: { ...detail, remedy } });
};

const remedyOf = (
  { code, detail }: DepotError,
  { name, url, gives }: NonNullable<Connection['login']>,
): string | undefined => {
  const again = `tuf-depot login ${addressArgument(url)}`;
  const isAnswer = detail.status !== undefined;
  // A Nexus answers the first of these about another process.
  if (code === 'PEER_IDENTITY' && !isAnswer && gives.includes('trust'))
    return `If the authority of ${name} was replaced, log in again, and compare the digest: ${again}. Otherwise this is no Nexus of ${name}, or its certificate has expired; nothing was sent to it.`;
  if (!gives.includes('token') || !isAnswer) return undefined;
  if (code === 'UNAUTHORIZED')
    return `Log in to ${name} again, with a new token: ${again}. An admin makes one with tuf-depot token create.`;
  if (code === 'FORBIDDEN')
    return `Log in to ${name} again, with a token that has that role: ${again}. Or give it with --token-file FILE.`;
  return undefined;
};

/** As a person writes it. */
export const addressArgument = (url: string): string => url.replace(/^https:\/\//, '');
