/**
 * Opens one connection to the first host of the target that accepts writes:
 *
 *     host ─▶ TCP or socket ─▶ TLS ─▶ authentication ─▶ SHOW transaction_read_only ─▶ off: this one
 *      ▲                                                                           └▶ on: the next host
 *      └──────────────────────────── any failure: the next host ◀──────────────────┘
 *
 * OC1. A host that does not finish within its time limit counts as unreachable.
 * OC2. The order begins with the host that accepted writes last, so that a dead first host costs its time limit once and not
 *      for each connection.
 * OC3. No setting is sent with the start of the session: a pooler refuses settings that it does not know.
 */
import pg from 'pg';
import { DepotError, messageChain } from '../../lib/errors.ts';
import { tlsOptions } from './database-tls.ts';
import { type DatabaseHost, type DatabaseTarget, hostName } from './database-url.ts';
import { classifySqlError } from './sql-errors.ts';
import { types } from './sql-types.ts';

/** TCP, TLS and authentication are about six round trips; a host that needs longer is overloaded or gone. */
const HOST_TIMEOUT_MS = 3_000;
/**
 * A connection without traffic is probed after this time; Linux gives up after ten probes, one a second (libuv). So
 * a dead peer is noticed within 15 s where nothing else limits the wait: in a migration.
 */
const KEEPALIVE_DELAY_MS = 5_000;

const CLOSE_TIMEOUT_MS = 1_000;

export type OpenConnection = (options: { readonly signal: AbortSignal }) => Promise<pg.Client>;

type Options = {
  readonly applicationName: string;
  /** The limit of silence for a statement; absent for statements without a limit. */
  readonly silenceLimitMs?: number;
};

/** @returns a function that opens a connection, and remembers which host accepted writes last (OC2) */
export const connectionOpener = (target: DatabaseTarget, options: Options): OpenConnection => {
  let first = 0;
  return async ({ signal }) => {
    const failures: { readonly host: DatabaseHost; readonly error: unknown }[] = [];
    const numbered = [...target.hosts.entries()];
    for (const [index, host] of [...numbered.slice(first), ...numbered.slice(0, first)]) {
      signal.throwIfAborted();
      try {
        const client = await connectTo(target, host, options, signal);
        first = index;
        return client;
      } catch (error) {
        signal.throwIfAborted();
        failures.push({ host, error });
      }
    }
    throw noHost(failures);
  };
};

/** The error of the only host, or of all hosts: the first transient one decides its kind. */
const noHost = (failures: readonly { host: DatabaseHost; error: unknown }[]): unknown => {
  const [only, ...others] = failures;
  if (only !== undefined && others.length === 0) return only.error;
  const config = failures.find(({ error }) => error instanceof DepotError && error.code === 'CONFIG_INVALID');
  if (config !== undefined) return config.error;
  if (failures.every(({ error }) => classifySqlError(error) === 'refused')) return failures[0]?.error;
  const all = failures.map(({ host, error }) => `${hostName(host)}: ${messageChain(error)}`).join('; ');
  return new Error(`no host accepts writes (${all})`);
};

const connectTo = async (
  target: DatabaseTarget,
  host: DatabaseHost,
  { applicationName, silenceLimitMs }: Options,
  signal: AbortSignal,
): Promise<pg.Client> => {
  const ssl = await tlsOptions(target.tls, host);
  signal.throwIfAborted();
  const client = new pg.Client({
    host: host.host,
    port: host.port,
    database: target.database,
    ...(target.user === undefined ? {} : { user: target.user }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ssl,
    types,
    application_name: applicationName,
    connectionTimeoutMillis: HOST_TIMEOUT_MS,
    ...(silenceLimitMs === undefined ? {} : { query_timeout: silenceLimitMs }),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
  });
  // An error outside of a statement reaches the next statement too; without a listener it would end the process.
  client.on('error', () => undefined);
  const cancel = () => client.connection.stream.destroy(signal.reason);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await client.connect();
    await requireWritable(client);
    return client;
  } catch (error) {
    void closeConnection(client);
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
};

/** Ends the session; the connection to a server that does not accept that in time is cut. Never rejects. */
export const closeConnection = async (client: pg.Client): Promise<void> => {
  const timer = setTimeout(() => client.connection.stream.destroy(), CLOSE_TIMEOUT_MS);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
};

/** Every engine knows this setting: on for a standby, and where `default_transaction_read_only` fences a server. */
const requireWritable = async (client: pg.Client): Promise<void> => {
  const query: pg.QueryConfig & { query_timeout: number } = {
    text: 'SHOW transaction_read_only',
    query_timeout: HOST_TIMEOUT_MS,
  };
  const { rows } = await client.query<{ transaction_read_only: string }>(query);
  if (rows[0]?.transaction_read_only !== 'off') {
    throw new Error('the server is a standby, or accepts no writes');
  }
};
