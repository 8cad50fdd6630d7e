/**
 * TLS to the database, with the meanings that libpq gives to its modes.
 *
 * | mode | encrypted | the certificate comes from a trusted authority | and is of the host's name |
 * |---|---|---|---|
 * | `disable` | no | | |
 * | `require` | yes | only with `sslrootcert`, as `verify-ca` | no |
 * | `verify-ca` | yes | yes | no |
 * | `verify-full` | yes | yes | yes |
 *
 * TL1. Certificates are read again for each connection, so that a renewed one is used without a restart.
 */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type ConnectionOptions, getCACertificates } from 'node:tls';
import { DepotError } from '../../lib/errors.ts';
import {
  type DatabaseHost,
  type DatabaseTarget,
  type DatabaseTls,
  hostName,
  isSocket,
} from './database-url.ts';

/** @returns false for plain text. @throws `CONFIG_INVALID` naming the file that cannot be read */
export const tlsOptions = async (
  { rootCertificate, mode, client }: DatabaseTls,
  host: DatabaseHost,
): Promise<ConnectionOptions | false> => {
  if (mode === 'disable' || isSocket(host)) return false;
  const verifies = mode !== 'require' || rootCertificate !== undefined;
  return {
    rejectUnauthorized: verifies,
    ...(rootCertificate === undefined
      ? {}
      : {
          ca:
            rootCertificate === 'system'
              ? getCACertificates('system')
              : await pem('sslrootcert', rootCertificate),
        }),
    ...(client === undefined
      ? {}
      : { cert: await pem('sslcert', client.certificate), key: await pem('sslkey', client.key) }),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
};

const pem = async (option: string, path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new DepotError('CONFIG_INVALID', `database.url: cannot read the file of ${option}`, { cause });
  }
};

/** The hosts to which passwords, statements and answers go as plain text over a network. */
export const plainTextHosts = ({ hosts, tls }: DatabaseTarget): readonly string[] =>
  tls.mode === 'disable' ? hosts.filter(host => !isSocket(host) && !isLoopback(host)).map(hostName) : [];

const isLoopback = ({ host }: DatabaseHost): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
