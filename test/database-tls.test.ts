/** TLS to a real server: what each sslmode takes, and what it refuses. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRng } from '../src/core/rng.ts';
import { systemClock } from '../src/lib/clock.ts';
import { messageChain } from '../src/lib/errors.ts';
import { silentLogger } from '../src/lib/log.ts';
import { wait } from '../src/nexus/datastore/conformance/records.fixture.ts';
import { migrateDatabase } from '../src/nexus/datastore/migrate.ts';
import { createPgDatastore } from '../src/nexus/datastore/pg-datastore.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '../src/source/certificate.fixture.ts';
import { type PostgresServer, startPostgresServer } from './postgres-server.fixture.ts';

const log = silentLogger;
/** Plain text is refused; a database of this name wants a certificate of the client too. */
const ACCESS = `local all all trust
hostssl with_certificate all 127.0.0.1/32 trust clientcert=verify-ca
hostssl all all 127.0.0.1/32 trust
`;

describe('a server with a certificate for 127.0.0.1', () => {
  let server: PostgresServer;
  let directory: string;
  let files: {
    readonly root: string;
    readonly other: string;
    readonly certificate: string;
    readonly key: string;
  };
  const url = (host: string, options: string, database = 'postgres') =>
    `postgresql://tuf_depot@${host}:${server.port}/${database}?${options}`;
  /** `ok`, or the error in words. */
  const outcome = async (connection: string): Promise<string> => {
    try {
      await using datastore = await createPgDatastore({
        connection,
        log,
        clock: systemClock,
        rng: seededRng(1),
        ...wait,
      });
      await datastore.currentGeneration(wait);
      return 'ok';
    } catch (error) {
      return messageChain(error);
    }
  };

  beforeAll(async () => {
    server = await startPostgresServer({
      access: ACCESS,
      files: { 'server.crt': TEST_CERTIFICATE, 'server.key': TEST_CERTIFICATE_KEY },
      settings: {
        ssl: 'on',
        ssl_cert_file: '$directory/server.crt',
        ssl_key_file: '$directory/server.key',
        ssl_ca_file: '$directory/server.crt',
      },
    });
    directory = await mkdtemp(join(tmpdir(), 'tuf-depot-tls-'));
    const write = async (name: string, text: string) => {
      await writeFile(join(directory, name), text, { mode: 0o600 });
      return join(directory, name);
    };
    files = {
      root: await write('root.pem', TEST_CERTIFICATE),
      other: await write('other.pem', rootCertificates[0]!),
      certificate: await write('client.crt', TEST_CERTIFICATE),
      key: await write('client.key', TEST_CERTIFICATE_KEY),
    };
    await migrateDatabase({ connection: url('127.0.0.1', 'sslmode=require'), log, ...wait });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  test('is not reached by plain text, which it refuses', async () => {
    expect(await outcome(server.url())).toContain('no encryption');
  });

  test('is reached by require, whoever signed the certificate', async () => {
    expect(await outcome(url('127.0.0.1', 'sslmode=require'))).toBe('ok');
    expect(await outcome(url('localhost', 'sslmode=require'))).toBe('ok');
  });

  test('is reached by require and verify-ca under any name when the root is its own, and not when it is another', async () => {
    for (const mode of ['require', 'verify-ca']) {
      expect(await outcome(url('localhost', `sslmode=${mode}&sslrootcert=${files.root}`))).toBe('ok');
      expect(await outcome(url('localhost', `sslmode=${mode}&sslrootcert=${files.other}`))).toContain(
        'certificate',
      );
    }
  });

  test('is reached by verify-full only under the name in its certificate', async () => {
    expect(await outcome(url('127.0.0.1', `sslmode=verify-full&sslrootcert=${files.root}`))).toBe('ok');
    expect(await outcome(url('localhost', `sslmode=verify-full&sslrootcert=${files.root}`))).toContain(
      "does not match certificate's altnames",
    );
    expect(await outcome(url('127.0.0.1', 'sslmode=verify-full&sslrootcert=system'))).toContain(
      'certificate',
    );
  });

  test('accepts the certificate of the client if it requires one', async () => {
    const tls = `sslmode=verify-full&sslrootcert=${files.root}`;
    expect(await outcome(url('127.0.0.1', tls, 'with_certificate'))).toContain('client certificate');
    const connection = url(
      '127.0.0.1',
      `${tls}&sslcert=${files.certificate}&sslkey=${files.key}`,
      'with_certificate',
    );
    // It is let in; there is no such database.
    expect(await outcome(connection)).toContain('does not exist');
  });

  test('a file that cannot be read is an error of the configuration that names the option', async () => {
    const connection = url('127.0.0.1', 'sslmode=verify-ca&sslrootcert=/nonexistent/ca.pem');
    await expect(
      createPgDatastore({ connection, log, clock: systemClock, rng: seededRng(1), ...wait }),
    ).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'database.url: cannot read the file of sslrootcert',
    });
  });
});

test('a server without TLS is not reached by a mode that encrypts', async () => {
  await using server = await startPostgresServer();
  const opening = createPgDatastore({
    connection: `${server.url()}?sslmode=require`,
    log,
    clock: systemClock,
    rng: seededRng(1),
    ...wait,
  });
  await expect(opening).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    cause: expect.objectContaining({ message: expect.stringContaining('does not support SSL') }),
  });
});
